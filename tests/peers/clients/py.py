"""py.py PLAN.json: the official Python SDK as a client over stdio, in the handshake era that loom speaks.

Lists all tools, makes the planned calls one after the other and prints what came, as untouched as the SDK lets it:
{serverInfo, tools, results}.
"""

import json
import sys
from typing import Any

import anyio
from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client
from mcp.shared.exceptions import MCPError
from pydantic import TypeAdapter

UNTOUCHED = TypeAdapter(dict[str, Any])


async def list_all(session):
    tools, params = [], None
    while True:
        page = await session.send_request(types.ListToolsRequest(params=params), UNTOUCHED)
        tools += page["tools"]
        if page.get("nextCursor") is None:
            return tools
        params = types.PaginatedRequestParams(cursor=page["nextCursor"])


async def call(session, planned):
    params = types.CallToolRequestParams(name=planned["name"], arguments=planned["arguments"])
    try:
        return await session.send_request(types.CallToolRequest(params=params), UNTOUCHED)
    except MCPError as error:
        return {"error": error.error.model_dump(by_alias=True, mode="json", exclude_none=True)}


async def main(plan):
    server = StdioServerParameters(command=plan["command"], args=plan["args"], env=plan["env"], cwd=plan["cwd"])
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        answer = await session.initialize()
        tools = await list_all(session) if plan["list"] else []
        results = [await call(session, planned) for planned in plan["calls"]]
    info = answer.server_info.model_dump(by_alias=True, mode="json", exclude_none=True)
    print(json.dumps({"serverInfo": info, "tools": tools, "results": results}))


with open(sys.argv[1], encoding="utf-8") as file:
    anyio.run(main, json.load(file))
