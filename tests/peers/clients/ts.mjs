// ts.mjs PLAN.json: the official TypeScript SDK as a client over stdio. Lists all tools, makes the planned calls one
// after the other and prints what came, as untouched as the SDK lets it: {serverInfo, tools, results}.
// PEERS_NPM names the folder with node_modules.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const require = createRequire(join(process.env.PEERS_NPM, "package.json"));
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");
const { z } = require("zod");

const untouched = z.any();
const plan = JSON.parse(readFileSync(process.argv[2], "utf8"));
const client = new Client({ name: "peers-ts", version: "0" });

async function listAll() {
  const tools = [];
  let params = {};
  for (;;) {
    const page = await client.request({ method: "tools/list", params }, untouched);
    tools.push(...page.tools);
    if (page.nextCursor === undefined) return tools;
    params = { cursor: page.nextCursor };
  }
}

async function call({ name, arguments: args }) {
  try {
    return await client.request({ method: "tools/call", params: { name, arguments: args } }, untouched);
  } catch (error) {
    return { error: { code: error.code, message: error.message, data: error.data } };
  }
}

const { command, args, env, cwd } = plan;
await client.connect(new StdioClientTransport({ command, args, env, cwd, stderr: "inherit" }));
const tools = plan.list ? await listAll() : [];
const results = [];
for (const planned of plan.calls) results.push(await call(planned));
await client.close();
console.log(JSON.stringify({ serverInfo: client.getServerVersion(), tools, results }));
