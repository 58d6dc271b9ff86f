"""The floor of an HTTP call: a FastAPI route that returns twenty small objects from memory. Serves until killed."""

import sys

import uvicorn
from fastapi import FastAPI

app = FastAPI()
ROWS = [{"id": str(number), "name": f"flow {number}"} for number in range(20)]


@app.get("/rows")
async def rows() -> dict[str, list[dict[str, str]]]:
    """Twenty rows."""
    return {"flows": ROWS}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
