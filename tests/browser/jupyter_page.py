"""JupyterLab in a browser, driven the way a learner drives it: open, run, type, look."""

from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page

# Each script finds the open notebook anew; a page reload would leave an old handle behind.
_NOTEBOOK = "const notebook = window.jupyterapp.shell.currentWidget;"


class JupyterPage:
    """One browser tab on a running JupyterLab. Cells are counted from 0."""

    def __init__(self, page: Page, address: str, token: str) -> None:
        self.page, self.address, self.token = page, address, token

    def open_notebook(self, path: str) -> None:
        """Open a notebook by its path below the server's root and wait for its kernel."""
        self.page.goto(f"{self.address}/lab?reset&token={self.token}")
        self.page.wait_for_function("window.jupyterapp !== undefined")
        self.page.evaluate(
            """async path => {
                const app = window.jupyterapp;
                await app.restored;
                const widget = await app.commands.execute(
                    "docmanager:open", {path, factory: "Notebook"});
                app.shell.activateById(widget.id);
                await widget.context.ready;
                await widget.context.sessionContext.ready;
            }""",
            path,
        )
        self.page.wait_for_selector(".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell")

    def run_all(self) -> None:
        """Run every cell, as the menu does, and wait for the last."""
        self.page.evaluate("window.jupyterapp.commands.execute('notebook:run-all-cells')")
        self.wait_idle()

    def run_cell(self, index: int) -> None:
        """Run one cell and wait for it."""
        self.page.evaluate(
            f"""async index => {{
                {_NOTEBOOK}
                notebook.content.deselectAll();
                notebook.content.activeCellIndex = index;
                await window.jupyterapp.commands.execute("notebook:run-cell");
            }}""",
            index,
        )
        self.wait_idle()

    def wait_idle(self) -> None:
        """Wait until the kernel has nothing left to do."""
        self.page.wait_for_function(
            f"""() => {{
                {_NOTEBOOK}
                const kernel = notebook.context.sessionContext.session?.kernel;
                const cells = notebook.content.widgets.filter(c => c.model.type === "code");
                return kernel?.status === "idle"
                    && cells.every(c => c.model.executionState !== "running");
            }}""",
            timeout=300_000,
        )

    def close_notebook(self) -> None:
        """Stop the kernel of the open notebook, without saving anything."""
        self.page.evaluate(
            f"async () => {{ {_NOTEBOOK} await notebook?.context?.sessionContext?.shutdown(); }}"
        )

    def cells(self) -> list[dict[str, Any]]:
        """Every cell as it would be saved: type, source, and for code its outputs."""
        return self.page.evaluate(
            f"() => {{ {_NOTEBOOK} return notebook.content.widgets.map(c => c.model.toJSON()); }}"
        )

    def find_cell(self, text: str, kind: str = "code") -> int:
        """The first cell of a kind whose source contains a text."""
        for index, cell in enumerate(self.cells()):
            if cell["cell_type"] == kind and text in source_of(cell):
                return index
        raise AssertionError(f"no {kind} cell contains {text!r}")

    def output_text(self, index: int) -> str:
        """What a cell printed and showed, as plain text."""
        return text_of(self.cells()[index].get("outputs", []))

    def errors(self) -> list[str]:
        """The tracebacks in the notebook, and the code cells that never ran."""
        found = []
        for index, cell in enumerate(self.cells()):
            if cell["cell_type"] == "code":
                if cell["execution_count"] is None:
                    found.append(f"cell {index} did not run")
                found += [
                    f"cell {index}: {output['ename']}: {output['evalue']}"
                    for output in cell["outputs"]
                    if output["output_type"] == "error"
                ]
        return found

    def show_cell(self, index: int) -> Locator:
        """Scroll to a cell, so that it is drawn, and return its element."""
        self.page.evaluate(
            f"""async index => {{
                {_NOTEBOOK}
                notebook.content.activeCellIndex = index;
                await notebook.content.scrollToItem(index, "start");
            }}""",
            index,
        )
        cell = self.page.locator(
            f".jp-NotebookPanel:not(.lm-mod-hidden) .jp-Cell[data-windowed-list-index='{index}']"
        )
        cell.wait_for(state="attached")
        cell.scroll_into_view_if_needed()
        return cell

    def replace_source(self, index: int, text: str) -> None:
        """Click into a cell, select everything, and paste a text over it."""
        editor = self.show_cell(index).locator(".cm-content")
        editor.click()
        self.page.keyboard.press("ControlOrMeta+a")
        self.page.keyboard.insert_text(text)
        assert source_of(self.cells()[index]) == text

    def screenshot(self, path: Path) -> None:
        """Write what the browser shows as a PNG picture."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=path)

    def move_every_picture(self) -> int:
        """Move the first slider of every picture that has one; how many there are."""
        explorers = [
            index
            for index, cell in enumerate(self.cells())
            if cell["cell_type"] == "code"
            and ("\nExplorer(" in cell["source"] or "\nexplore_" in cell["source"])
        ]
        for index in explorers:
            self.move_a_slider(index)
        return len(explorers)

    def move_a_slider(self, index: int) -> None:
        """Press ArrowRight on a cell's first slider; picture and description must change."""
        cell = self.show_cell(index)
        picture, handle = cell.locator("img").first, cell.get_by_role("slider").first
        picture.wait_for()
        before, described = picture.get_attribute("src"), picture.get_attribute("alt")
        handle.focus()
        self.page.keyboard.press("ArrowRight")
        self.page.wait_for_function(
            "([image, before]) => image.isConnected ? image.src !== before : true",
            arg=[picture.element_handle(), before],
        )
        assert cell.locator("img").first.get_attribute("src") != before
        assert cell.locator("img").first.get_attribute("alt") != described


def source_of(cell: dict[str, Any]) -> str:
    """A cell's text, which a notebook may hold as lines."""
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def text_of(outputs: list[dict[str, Any]]) -> str:
    """The plain text of a cell's outputs, tracebacks included."""
    parts = []
    for output in outputs:
        if output["output_type"] == "stream":
            text = output["text"]
        elif output["output_type"] == "error":
            text = "\n".join(output["traceback"])
        else:
            text = output["data"].get("text/plain", "")
        parts.append(text if isinstance(text, str) else "".join(text))
    return "\n".join(parts)
