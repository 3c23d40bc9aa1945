// ts.mjs PLAN.json: the official TypeScript SDK takes the steps of a plan and prints what it saw; see ../plan.rs.
// PEERS_NPM names the folder with node_modules.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const require = createRequire(join(process.env.PEERS_NPM, "package.json"));
const sdk = (path) => require(`@modelcontextprotocol/sdk/${path}`);
const { Client } = sdk("client/index.js");
const { StdioClientTransport } = sdk("client/stdio.js");
const { StreamableHTTPClientTransport } = sdk("client/streamableHttp.js");
const { SSEClientTransport } = sdk("client/sse.js");
const { InMemoryTaskStore } = sdk("experimental/tasks");
const { CreateMessageRequestSchema, ElicitRequestSchema, ListRootsRequestSchema } = sdk("types.js");

const plan = JSON.parse(readFileSync(process.argv[2], "utf8"));
const timeout = plan.patience_ms;
let patience = timeout;
let { roots } = plan;
const events = [];
const waiters = new Set();
const taskIds = [];

const taskStore = new InMemoryTaskStore();
const client = new Client(
  { name: "peers", version: "0" },
  {
    capabilities: {
      roots: { listChanged: true },
      sampling: {},
      elicitation: { form: {}, url: {} },
      tasks: { list: {}, cancel: {}, requests: { sampling: { createMessage: {} }, elicitation: { create: {} } } },
    },
    taskStore,
  },
);

function happened(kind, { method, params }) {
  events.push({ kind, method, params: params ?? null });
  for (const waiter of [...waiters]) waiter();
}

/** Answers at once, or through a task of ours when the server asks for one. */
async function answer(request, extra, result) {
  happened("request", request);
  if (request.params?.task === undefined) return result;
  const task = await extra.taskStore.createTask({ ttl: request.params.task.ttl, pollInterval: 100 });
  taskIds.push(task.taskId);
  await extra.taskStore.storeTaskResult(task.taskId, "completed", result);
  return { task };
}

/** Accepts with those of the planned values that the server asks for. */
function accept({ requestedSchema }) {
  if (requestedSchema === undefined) return { action: "accept" };
  const asked = Object.entries(plan.answers.elicitation).filter(([name]) => name in requestedSchema.properties);
  return { action: "accept", content: Object.fromEntries(asked) };
}

client.setRequestHandler(CreateMessageRequestSchema, (request, extra) => answer(request, extra, plan.answers.sampling));
client.setRequestHandler(ElicitRequestSchema, (request, extra) => answer(request, extra, accept(request.params)));
client.setRequestHandler(ListRootsRequestSchema, (request, extra) => answer(request, extra, { roots }));
client.fallbackNotificationHandler = async (notification) => happened("notification", notification);

const heard = new Set();
/** The first event that no earlier step has waited for, that is of this method and holds this text. */
function hear({ method, holds }) {
  const wanted = (event) => !heard.has(event) && event.method === method && JSON.stringify(event).includes(holds);
  return new Promise((resolve) => {
    const look = () => {
      const event = events.find(wanted);
      if (event === undefined) return;
      heard.add(event);
      done(event);
    };
    const done = (what) => {
      waiters.delete(look);
      clearTimeout(timer);
      resolve(what);
    };
    const timer = setTimeout(() => {
      // The run has failed; it is not to last much longer.
      patience = timeout / 20;
      done({ unheard: true });
    }, patience);
    waiters.add(look);
    look();
  });
}

const LISTS = {
  tools: (params) => client.listTools(params, { timeout }),
  resources: (params) => client.listResources(params, { timeout }),
  resourceTemplates: (params) => client.listResourceTemplates(params, { timeout }),
  prompts: (params) => client.listPrompts(params, { timeout }),
  tasks: ({ cursor }) => client.experimental.tasks.listTasks(cursor, { timeout }),
};

async function list({ what }) {
  const items = [];
  for (let params = {}; ; ) {
    const page = await LISTS[what](params);
    items.push(...page[what]);
    if (page.nextCursor === undefined) return items;
    params = { cursor: page.nextCursor };
  }
}

/** Progress by its token, and the tokens of calls by their arguments. */
const progressed = new Map();
const tokens = new WeakMap();

/** Keeps progress as it comes: the SDK loses what it reads together with the result. */
function watch(way) {
  const { onmessage, send } = way;
  way.send = (message, options) => {
    const token = message.params?._meta?.progressToken;
    if (token !== undefined) tokens.set(message.params.arguments, token);
    return send.call(way, message, options);
  };
  way.onmessage = (message, extra) => {
    if (message.method === "notifications/progress") {
      const { progressToken, ...update } = message.params;
      progressed.set(progressToken, [...(progressed.get(progressToken) ?? []), update]);
    }
    return onmessage.call(way, message, extra);
  };
}

async function relist({ what, method, holds }) {
  for (;;) {
    const event = await hear({ method, holds: "" });
    if (event.unheard) return event;
    const items = await list({ what });
    if (JSON.stringify(items).includes(holds)) return items;
  }
}

async function call({ tool, arguments: args, progress }) {
  const onprogress = progress ? () => {} : undefined;
  const result = await client.callTool({ name: tool, arguments: args }, undefined, { timeout, onprogress });
  return progress ? { result, progress: progressed.get(tokens.get(args)) ?? [] } : result;
}

async function cancel({ tool, arguments: args }) {
  const abort = new AbortController();
  const options = { timeout, signal: abort.signal, onprogress: () => abort.abort("enough") };
  const ended = await client.callTool({ name: tool, arguments: args }, undefined, options).then(
    () => "completed",
    () => "cancelled",
  );
  return { ended };
}

async function create(tool, args) {
  const stream = client.experimental.tasks.callToolStream({ name: tool, arguments: args }, undefined, {
    timeout,
    task: { ttl: 60_000 },
  });
  const first = (await stream.next()).value;
  if (first.type !== "taskCreated") throw first.error ?? new Error(JSON.stringify(first));
  taskIds.push(first.task.taskId);
  return { stream, task: first.task };
}

async function task({ tool, arguments: args }) {
  const { stream, task } = await create(tool, args);
  for await (const message of stream) {
    if (message.type === "result") {
      return { created: task, ended: await client.experimental.tasks.getTask(task.taskId), result: message.result };
    }
    if (message.type === "error") throw message.error;
  }
}

async function cancelTask({ tool, arguments: args }) {
  const { task } = await create(tool, args);
  const cancelled = await client.experimental.tasks.cancelTask(task.taskId, { timeout });
  return { created: task, cancelled };
}

const ACTS = {
  list,
  relist,
  call,
  cancel,
  task,
  cancelTask,
  hear,
  ping: () => client.ping({ timeout }),
  get: ({ prompt, arguments: args }) => client.getPrompt({ name: prompt, arguments: args }, { timeout }),
  read: ({ uri }) => client.readResource({ uri }, { timeout }),
  complete: ({ do: _, ...params }) => client.complete(params, { timeout }),
  level: ({ level }) => client.setLoggingLevel(level, { timeout }),
  subscribe: ({ uri }) => client.subscribeResource({ uri }, { timeout }),
  unsubscribe: ({ uri }) => client.unsubscribeResource({ uri }, { timeout }),
  roots: async (step) => {
    ({ roots } = step);
    await client.sendRootsListChanged();
  },
  together: ({ steps }) => Promise.all(steps.map(take)),
};

async function take(step) {
  try {
    return (await ACTS[step.do](step)) ?? null;
  } catch (error) {
    return { error: { code: error.code, message: error.message, data: error.data } };
  }
}

function transport({ url, sse, command, args, env, cwd }) {
  if (url === undefined) return new StdioClientTransport({ command, args, env, cwd, stderr: "inherit" });
  return sse ? new SSEClientTransport(new URL(url)) : new StreamableHTTPClientTransport(new URL(url));
}

const way = transport(plan.start);
await client.connect(way, { timeout });
watch(way);
const results = [];
for (const step of plan.steps) results.push(await take(step));
const capabilities = client.getServerCapabilities();
// A session over HTTP is ended by its client, or the server keeps it.
await way.terminateSession?.();
await client.close();
taskStore.cleanup();
console.log(JSON.stringify({ capabilities, results, events, taskIds }));
// Or the SDK would first give up to resume the stream that was just closed.
process.exit();
