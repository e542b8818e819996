import pytest

AWS_KEY = "AKIA" + "ABCDEFGHIJKLMNOP"
PASSWORD = "hunter2-and-more"


def places(secret: str):
    """The same text in fields of every kind, some of which are of the wrong type for it."""
    return [
        lambda file: file["setup_commands"].append(f"aws configure set aws_secret_access_key {secret}"),
        lambda file: file["setup_commands"].append(f"AWS_SECRET_ACCESS_KEY={secret} aws s3 ls"),
        lambda file: file["setup_commands"].append(f"curl --password {secret} https://example.org"),
        lambda file: file["setup_commands"].append(f"echo 'password: {secret}' > file"),
        lambda file: file["setup_commands"].append(f"git clone https://x:{secret}@example.org/x"),
        lambda file: file["setup_commands"].append(f"HTTP_PROXY=HTTP://x:{secret}@example.org curl x"),
        lambda file: file["setup_commands"].append(f"ls s3://{secret}@bucket/lab"),
        lambda file: file["head_start_ray_commands"].append(f"RAY_AUTH_TOKEN={secret} ray status"),
        lambda file: file["provider"].update(aws_credentials={"aws_secret_access_key": secret}),
        lambda file: file.update(metadata={"token": secret}),
    ]


@pytest.mark.parametrize("spoil", places(PASSWORD))
def test_a_secret_is_an_error_that_does_not_show_it(launcher, spoil) -> None:
    findings = launcher(spoil)
    assert [finding.level for finding in findings if "(not shown)" in finding.found] == ["error"]
    assert PASSWORD not in str(findings)


@pytest.mark.parametrize(
    ("secret", "kind"),
    [
        (AWS_KEY, "an AWS access key"),
        ("ghp_" + "a1" * 18, "a GitHub token"),
        ("hf_" + "aB3" * 12, "a Hugging Face token"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "a private key"),
    ],
)
def test_secrets_that_show_what_they_are_are_found_anywhere(launcher, secret: str, kind: str) -> None:
    (finding,) = launcher(lambda file: file["setup_commands"].append(f"echo {secret}"))
    assert (finding.level, finding.where, finding.found) == (
        "error",
        "setup_commands.1",
        f"{kind} (not shown)",
    )


@pytest.mark.parametrize("spoil", places(AWS_KEY))
def test_no_finding_of_any_rule_repeats_a_secret(launcher, spoil) -> None:
    assert AWS_KEY not in str(launcher(spoil))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: file.update(auth=AWS_KEY),
        lambda file: file.update(max_workers=PASSWORD),
        lambda file: file.update(file_mounts=[PASSWORD]),
        lambda file: file["available_node_types"].update(gpu=PASSWORD),
    ],
)
def test_a_secret_in_a_field_of_another_type_is_not_repeated(launcher, spoil) -> None:
    findings = launcher(spoil)
    assert findings
    assert PASSWORD not in str(findings)
    assert AWS_KEY not in str(findings)


@pytest.mark.parametrize(
    "command",
    [
        "chmod 600 ~/.ray/auth_token",
        "RAY_AUTH_TOKEN_PATH=~/token ray status",
        "export PGPASSWORD=$(cat ~/password)",
        "MLFLOW_TRACKING_PASSWORD=$PASSWORD respsweep status x",
        "git clone https://example.org/token",
        "git clone ssh://git@example.org/project",
        "curl http://example.org/?user=a@b",
        "respsweep status x --token-file /x",
        "pip install tokenizers==0.19",
    ],
)
def test_a_path_or_variable_is_no_secret(launcher, command: str) -> None:
    assert launcher(lambda file: file["setup_commands"].append(command)) == []


@pytest.mark.parametrize("password", [PASSWORD, "correct horse battery staple"])
def test_kubernetes_secrets_and_literal_environments_are_errors(kuberay, password: str) -> None:
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"auth_token": PASSWORD}}

    def environment(job) -> None:
        containers = job["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"]
        containers[1]["env"] = [{"name": "PGPASSWORD", "value": password}]

    findings = kuberay(environment, beside=({"kind": "NetworkPolicy"}, secret))
    assert [finding.level for finding in findings] == ["error", "error"]
    assert {finding.where for finding in findings} == {
        "kind: Secret",
        "spec.rayClusterSpec.headGroupSpec.template.spec.containers.1.env.0.value",
    }
    assert password not in str(findings)
