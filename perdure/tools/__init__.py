"""The tools that agents call: HTTP, MCP servers, Python in a sandbox. One `Toolbox` per worker process."""

from perdure.tools.arguments import problem_with
from perdure.tools.errors import ToolCallError
from perdure.tools.output import cut
from perdure.tools.toolbox import KnowledgeSearch, Toolbox

__all__ = ["KnowledgeSearch", "ToolCallError", "Toolbox", "cut", "problem_with"]
