"""The cloud files against what can be had of the clouds offline: moto's EC2, and the clouds' own API models."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from googleapiclient import discovery_cache
from moto import mock_aws

ROOT = Path(__file__).parents[3]
Schema = dict[str, Any]


def content(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / name).read_text())


@pytest.fixture
def ec2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An account of moto's with a default network, for this process alone."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "testing")
    monkeypatch.setenv("MOTO_EC2_LOAD_DEFAULT_AMIS", "true")
    monkeypatch.setattr("ray.autoscaler._private.aws.config.time.sleep", lambda _: None)
    with mock_aws(config={"iam": {"load_aws_managed_policies": True}}):
        yield boto3.client("ec2", region_name=content("cluster.yaml")["provider"]["region"])


def bootstrapped(ec2: Any) -> dict[str, Any]:
    from ray.autoscaler._private.aws.config import bootstrap_aws
    from ray.autoscaler._private.util import prepare_config

    cluster = deepcopy(content("cluster.yaml"))
    image = ec2.describe_images()["Images"][0]["ImageId"]
    for node in cluster["available_node_types"].values():
        node["node_config"]["ImageId"] = image
    return bootstrap_aws(prepare_config(cluster))


def test_rays_security_group_lets_in_ssh_and_the_cluster_itself_alone(ec2: Any) -> None:
    cluster = bootstrapped(ec2)
    groups = {
        group
        for node in cluster["available_node_types"].values()
        for group in node["node_config"]["SecurityGroupIds"]
    }
    (group,) = ec2.describe_security_groups(GroupIds=list(groups))["SecurityGroups"]
    from_outside = [rule for rule in group["IpPermissions"] if rule["IpRanges"] or rule["Ipv6Ranges"]]
    assert [(rule["FromPort"], rule["ToPort"]) for rule in from_outside] == [(22, 22)]
    inside = [rule for rule in group["IpPermissions"] if rule not in from_outside]
    assert {pair["GroupId"] for rule in inside for pair in rule["UserIdGroupPairs"]} == groups


def test_head_is_on_demand_workers_are_on_spot_and_all_want_imdsv2(ec2: Any) -> None:
    from ray.autoscaler._private.aws.node_provider import AWSNodeProvider

    cluster = bootstrapped(ec2)
    provider = AWSNodeProvider(cluster["provider"], cluster["cluster_name"])
    for name, node in cluster["available_node_types"].items():
        (instance,) = provider.create_node(node["node_config"], {"ray-node-type": name}, 1).values()
        assert instance.instance_type == node["node_config"]["InstanceType"]
        assert (instance.instance_lifecycle == "spot") == (name != "head")
        assert instance.metadata_options["HttpTokens"] == "required"
        (disk,) = instance.block_device_mappings
        assert disk["Ebs"]["DeleteOnTermination"] is (name != "head")


def test_ec2_knows_every_parameter() -> None:
    from botocore.validate import ParamValidator

    client = boto3.client("ec2", region_name="eu-central-1")
    shape = client.meta.service_model.operation_model("RunInstances").input_shape
    for node in content("cluster.yaml")["available_node_types"].values():
        report = ParamValidator().validate({**node["node_config"], "MinCount": 1, "MaxCount": 1}, shape)
        assert report.generate_report() == ""


def test_compute_engine_knows_every_field() -> None:
    import json

    documents = Path(str(discovery_cache.__file__)).parent / "documents"
    schemas = json.loads((documents / "compute.v1.json").read_text(encoding="utf-8"))["schemas"]
    for name, node in content("docs/cluster/gcp.yaml")["available_node_types"].items():
        assert list(unknown(node["node_config"], schemas["Instance"], schemas, name)) == []
    assert list(unknown({"machinType": "x"}, schemas["Instance"], schemas, "")) == [".machinType"]


def unknown(value: Any, schema: Schema, schemas: dict[str, Schema], where: str) -> Iterator[str]:
    """Fields and choices that Google's description of the API has not."""
    schema = schemas[schema["$ref"]] if "$ref" in schema else schema
    if isinstance(value, dict):
        for key, inner in value.items():
            if key in schema.get("properties", {}):
                yield from unknown(inner, schema["properties"][key], schemas, f"{where}.{key}")
            else:
                yield f"{where}.{key}"
    elif isinstance(value, list):
        for inner in value:
            yield from unknown(inner, schema["items"], schemas, where)
    elif "enum" in schema and value not in schema["enum"]:
        yield f"{where}={value}"
