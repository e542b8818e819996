"""A search and, where its file says `folds: all`, its finalists on the other folds of patients."""

from __future__ import annotations

from sweep.config.study_config import StudyConfig
from sweep.driver.display import Display, NoDisplay
from sweep.driver.export import export
from sweep.driver.results import write_the_report
from sweep.driver.run import StartExecutor, run_study
from sweep.evaluation.cross_fold_bundle import write_ranking
from sweep.evaluation.cross_fold_ranking import crossing_folder
from sweep.evaluation.cross_folds import check_crossing, crossing_study
from sweep.execution.ray_session import RaySession
from sweep.folder.study_folder import StudyFolder
from sweep.report.cross_fold_table import cross_fold_table


def run_search(
    config: StudyConfig,
    folder: StudyFolder,
    address: str = "local",
    display: Display | None = None,
    *,
    tracking_server: str | None = None,
    start_executor: StartExecutor = RaySession.start,
) -> StudyFolder:
    """Run a study as `run_study` does; with `folds: all`, then its finalists on the other folds; returns its folder.

    Both go on where they stopped, the second also by itself. In the end `folds.bundle` and `best.yaml` hold the ranking
    on all folds. Raises what `run_study` raises, and CrossFoldError when no finalist has every seed on all
    folds, and before anything runs when another study has the name of the second.
    """
    if config.folds == "all":
        check_crossing(folder)
    run_study(
        config, folder, address, display, tracking_server=tracking_server, start_executor=start_executor
    )
    display = display or NoDisplay()
    if config.crosses is not None:
        _rank(StudyFolder.open(folder.studies, config.crosses.study), display)
    if config.folds != "all":
        return folder
    crossing, crossed = crossing_folder(folder), crossing_study(folder)
    if not is_trained(crossing, crossed):
        display.say(f"the other folds of patients: study {crossing.place}")
        run_study(
            crossed,
            crossing,
            address,
            display,
            tracking_server=tracking_server,
            start_executor=start_executor,
        )
    _rank(folder, display)
    return folder


def _rank(searched: StudyFolder, display: Display) -> None:
    """Rank the finalists of a study on all folds, choose by that, and show it."""
    ranking = write_ranking(searched)
    best = export(searched)
    if searched.uri is not None:
        searched.storage().upload(best, best.name)
    write_the_report(searched, display)
    display.show(cross_fold_table(ranking.numbers, ranking.objective, ranking.searched_fold))


def is_trained(crossing: StudyFolder, config: StudyConfig) -> bool:
    """Whether a study of other folds has trained every point that its settings name, with every seed."""
    if not config.enqueue:
        return True
    if not crossing.exists:
        return False
    board = crossing.board()
    complete = len(board.ranking())
    return board.stopped == "over" and board.seeds == config.seeds and complete == len(config.enqueue)
