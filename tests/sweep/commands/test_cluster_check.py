import io

from rich.console import Console

from sweep.cluster.finding import Finding, error, warning
from sweep.commands.cluster_check import findings_table


def printed(*findings: Finding, width: int) -> str:
    file = io.StringIO()
    Console(width=width, file=file).print(findings_table(findings))
    return file.getvalue()


def test_a_finding_about_a_command_shows_how_the_command_begins() -> None:
    finding = Finding("error", "head_start_ray_commands.3", "found", "wanted", quote="respsweep run x")
    assert "head_start_ray_commands: respsweep run x" in printed(finding, width=300)


def test_a_long_key_path_is_shown_whole() -> None:
    where = f"available_node_types.{'gpu' * 20}.node_config"
    lines = printed(error(where, "found", "wanted"), width=80).splitlines()
    assert where in "".join(line.split("│")[2].strip() for line in lines if "│" in line)


def test_errors_come_first() -> None:
    table = printed(warning("a", "found", "wanted"), error("b", "found", "wanted"), width=80)
    assert table.index("error") < table.index("warning")
