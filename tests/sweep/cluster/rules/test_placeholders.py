from sweep.cluster.finding import error


def test_what_is_to_be_filled_in_is_told_once_for_all_places(launcher) -> None:
    def blank(file) -> None:
        for node in file["available_node_types"].values():
            node["node_config"]["ImageId"] = "ami-FILL_IN"

    (found,) = launcher(blank)
    where = "available_node_types.head.node_config.ImageId"
    assert found == error(where, "ami-FILL_IN", "your own value: a comment in the file says which")
