"""Documents of knowledge bases as the API's users send them and wait for them."""

import asyncio

import aiohttp

from tests.support.product import POLL_SECONDS, JsonObject, Product


async def uploaded(product: Product, path: str, name: str, content: str) -> JsonObject:
    """A document that was just sent to the knowledge base at a path; it may still be taken in."""
    form = aiohttp.FormData()
    form.add_field("file", content.encode(), filename=name)
    async with product.http.post(f"{path}/documents", data=form) as response:
        assert response.status == 200
        document: JsonObject = await response.json()
        return document


async def until(product: Product, path: str, **wanted: object) -> JsonObject:
    """A document or knowledge base once its fields are these; the test's own time limit bounds the wait."""
    while True:
        document = await product.get(path)
        if wanted.items() <= document.items():
            return document
        assert document.get("status") != "failed", document["error_message"]
        await asyncio.sleep(POLL_SECONDS)
