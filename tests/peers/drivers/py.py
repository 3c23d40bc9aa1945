"""py.py PLAN.json: the official Python SDK takes the steps of a plan and prints what it saw; see ../plan.rs.

It speaks the handshake era, as loom does.
"""

import json
import sys
from contextlib import asynccontextmanager
from functools import partial

import anyio
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.sse import sse_client
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError


def plain(model):
    return model.model_dump(by_alias=True, mode="json", exclude_unset=True)


class Driver:
    def __init__(self, plan):
        self.plan = plan
        self.patience = plan["patience_ms"] / 1000
        self.roots = plan["roots"]
        self.events = []
        self.heard = set()
        self.changed = anyio.Event()

    def happened(self, kind, method, params):
        self.events.append({"kind": kind, "method": method, "params": params})
        self.changed.set()
        self.changed = anyio.Event()

    async def on_message(self, message):
        if isinstance(message, Exception):
            raise message
        params = None if message.params is None else plain(message.params)
        self.happened("notification", message.method, params)

    async def on_sampling(self, _context, params):
        self.happened("request", "sampling/createMessage", plain(params))
        return types.CreateMessageResult.model_validate(self.plan["answers"]["sampling"])

    async def on_elicitation(self, _context, params):
        """Accepts with those of the planned values that the server asks for."""
        asked = plain(params)
        self.happened("request", "elicitation/create", asked)
        if "requestedSchema" not in asked:
            return types.ElicitResult(action="accept")
        wanted = asked["requestedSchema"]["properties"]
        content = {name: value for name, value in self.plan["answers"]["elicitation"].items() if name in wanted}
        return types.ElicitResult(action="accept", content=content)

    async def on_roots(self, _context):
        self.happened("request", "roots/list", None)
        return types.ListRootsResult.model_validate({"roots": self.roots})

    @asynccontextmanager
    async def connected(self):
        start = self.plan["start"]
        if "url" not in start:
            way = stdio_client(StdioServerParameters(**start))
        elif start["sse"]:
            way = sse_client(start["url"])
        else:
            way = streamable_http_client(start["url"])
        async with way as (read, write):
            async with ClientSession(
                read,
                write,
                read_timeout_seconds=self.plan["patience_ms"] / 1000,
                sampling_callback=self.on_sampling,
                elicitation_callback=self.on_elicitation,
                list_roots_callback=self.on_roots,
                message_handler=self.on_message,
                client_info=types.Implementation(name="peers", version="0"),
            ) as self.session:
                self.hello = await self.session.initialize()
                yield

    async def take(self, step):
        try:
            return await getattr(self, f"do_{step['do']}")(step)
        except MCPError as error:
            return {"error": plain(error.error)}
        except (ValueError, RuntimeError) as error:
            return {"error": {"message": str(error)}}

    async def do_list(self, step):
        what = step["what"]
        ask, member = {
            "tools": (self.session.list_tools, "tools"),
            "resources": (self.session.list_resources, "resources"),
            "resourceTemplates": (self.session.list_resource_templates, "resource_templates"),
            "prompts": (self.session.list_prompts, "prompts"),
        }[what]
        items, params = [], None
        while True:
            page = await ask(params=params)
            items += [plain(item) for item in getattr(page, member)]
            if page.next_cursor is None:
                return items
            params = types.PaginatedRequestParams(cursor=page.next_cursor)

    async def do_relist(self, step):
        while True:
            event = await self.do_hear({"method": step["method"], "holds": ""})
            if "unheard" in event:
                return event
            items = await self.do_list(step)
            if step["holds"] in json.dumps(items):
                return items

    async def do_call(self, step):
        seen = []

        async def on_progress(progress, total, message):
            seen.append({"progress": progress, "total": total, "message": message})

        progress_callback = on_progress if step.get("progress") else None
        call = self.session.call_tool(step["tool"], step["arguments"], progress_callback=progress_callback)
        result = plain(await call)
        if progress_callback is None:
            return result
        return {"result": result, "progress": sorted(seen, key=lambda update: update["progress"])}

    async def do_cancel(self, step):
        ended = "completed"
        with anyio.CancelScope() as scope:

            async def on_progress(_progress, _total, _message):
                scope.cancel()

            await self.session.call_tool(step["tool"], step["arguments"], progress_callback=on_progress)
        if scope.cancelled_caught:
            ended = "cancelled"
        return {"ended": ended}

    async def do_hear(self, step):
        """The first event that no earlier step has waited for, that is of this method and holds this text."""
        with anyio.move_on_after(self.patience):
            while True:
                for at, event in enumerate(self.events):
                    text = json.dumps(event, ensure_ascii=False)
                    if at not in self.heard and event["method"] == step["method"] and step["holds"] in text:
                        self.heard.add(at)
                        return event
                await self.changed.wait()
        # The run has failed; it is not to last much longer.
        self.patience /= 20
        return {"unheard": True}

    async def do_ping(self, _step):
        return plain(await self.session.send_ping())

    async def do_get(self, step):
        return plain(await self.session.get_prompt(step["prompt"], step["arguments"]))

    async def do_read(self, step):
        return plain(await self.session.read_resource(step["uri"]))

    async def do_complete(self, step):
        kind = types.PromptReference if step["ref"]["type"] == "ref/prompt" else types.ResourceTemplateReference
        context = step.get("context", {}).get("arguments")
        ref = kind.model_validate(step["ref"])
        return plain(await self.session.complete(ref, step["argument"], context_arguments=context))

    async def do_level(self, step):
        return plain(await self.session.set_logging_level(step["level"]))

    async def do_subscribe(self, step):
        return plain(await self.session.subscribe_resource(step["uri"]))

    async def do_unsubscribe(self, step):
        return plain(await self.session.unsubscribe_resource(step["uri"]))

    async def do_roots(self, step):
        self.roots = step["roots"]
        await self.session.send_roots_list_changed()

    async def do_together(self, step):
        results = [None] * len(step["steps"])

        async def run(at, inner):
            results[at] = await self.take(inner)

        async with anyio.create_task_group() as group:
            for at, inner in enumerate(step["steps"]):
                group.start_soon(partial(run, at, inner))
        return results


async def main(plan):
    driver = Driver(plan)
    async with driver.connected():
        results = [await driver.take(step) for step in plan["steps"]]
    seen = {"capabilities": plain(driver.hello.capabilities), "results": results, "events": driver.events, "taskIds": []}
    print(json.dumps(seen))


with open(sys.argv[1], encoding="utf-8") as file:
    anyio.run(main, json.load(file))
