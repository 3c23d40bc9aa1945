"""An MCP server that does what tests tell it to, through its tools; the protocol of 2025-11-25, one thread, no time.

Options are KEY=VALUE, lists with commas:
  name=N          what it calls itself in its answers; what it hears is written to $HOME/N.heard, a line a message,
                  and the beginning and the end of its input as `{"life": "begins"}` and `{"life": "ends"}`
  prompts=A,B     resources=URI,URI     templates=TEMPLATE,TEMPLATE
  hidden=URI      resources that it has and does not list
  pages=URI       resources for which the user must go to a page first
  unknown=CODE    the code of its error for a resource that it has not
  without=A,B     capabilities that it does not declare
  mute=yes        resources cannot be subscribed to
  refuse=METHOD   does not know this method
  cursor=yes      says that a list has no further page with an empty cursor, and begins anew when asked with that
  page=N          tasks on a page
  place=yes       lists a resource that names its working directory, and one that names its process
  storm=yes       says that its tools have changed whenever it is asked for them
  crash=yes       ends as soon as it is ready
  hold=METHOD     answers requests of this method when `release` is called with it as key
  words=other     writes each `/` as PHP's encoder does, and ids and tokens that it was given as Gson does (7.0)
  linger=yes      does not end with its input: only a signal ends it
"""

import json
import os
import signal
import sys

OPTIONS = dict(option.split("=", 1) for option in sys.argv[1:])
NAME = OPTIONS["name"]
RELATED = "io.modelcontextprotocol/related-task"
TOOLS = (
    "pid caps send ask late_ask answer fail hold release flood set die heard "
    "task task_status task_progress task_ask task_end"
).split()


def option_list(key):
    return [part for part in OPTIONS.get(key, "").split(",") if part]


lists = {
    "tools": [{"name": name, "inputSchema": {"type": "object"}} for name in TOOLS],
    "prompts": [{"name": name} for name in option_list("prompts")],
    "resources": [{"uri": uri, "name": uri} for uri in option_list("resources")],
    "resourceTemplates": [{"uriTemplate": text, "name": text} for text in option_list("templates")],
}
if "place" in OPTIONS:
    for uri in ("cwd://" + os.getcwd(), "pid://%d" % os.getpid()):
        lists["resources"].append({"uri": uri, "name": uri})

heard = []  # every message of this life
caps = {}
held = {}  # calls that `release` answers, by key
late = []  # questions that are asked once their call is cancelled: (call, method, params)
asked = {}  # the call that waits for the answer to a question of ours
tasks = {}  # by id
questions = 0
journal = open(os.path.join(os.environ["HOME"], NAME + ".heard"), "a", buffering=1)


def note(message):
    journal.write(json.dumps(message) + "\n")


def send(message):
    message = {"jsonrpc": "2.0", **message}
    if "words" in OPTIONS:
        if "method" not in message:
            message["id"] = float(message["id"])
        if message.get("method") == "notifications/progress":
            message["params"]["progressToken"] = float(message["params"]["progressToken"])
    line = json.dumps(message)
    sys.stdout.write((line.replace("/", "\\/") if "words" in OPTIONS else line) + "\n")
    sys.stdout.flush()


def notify(method, params):
    send({"method": method, "params": params})


def result(id, value):
    send({"id": id, "result": value})


def error(id, code, message, data=None):
    send({"id": id, "error": {"code": code, "message": message, **({"data": data} if data else {})}})


def text(id, value):
    value = value if isinstance(value, str) else json.dumps(value)
    result(id, {"content": [{"type": "text", "text": value}]})


def ask(method, params, call=None):
    """A question of ours; `call` is answered with its answer."""
    global questions
    questions += 1
    id = "q%d" % questions
    asked[id] = call
    send({"id": id, "method": method, "params": params})


def task_row(id):
    task = tasks[id]
    row = {"taskId": id, "status": task["status"], "createdAt": "2025-11-25T00:00:00Z", "ttl": task["ttl"]}
    return {**row, "lastUpdatedAt": row["createdAt"]}


def task_outcome(id):
    content = [{"type": "text", "text": "outcome of " + id}]
    return {"content": content, "_meta": {RELATED: {"taskId": id}}}


def end_task(id, status):
    task = tasks[id]
    task["status"] = status
    for waiting in task["waiting"]:
        result(waiting, task_outcome(id))
    task["waiting"] = []


def tool(id, name, args, params):
    if name == "pid":
        text(id, str(os.getpid()))
    elif name == "caps":
        text(id, caps)
    elif name == "heard":
        text(id, [message.get("params", {}) for message in heard if message.get("method") == args["method"]])
    elif name == "send":
        if args.get("after"):
            text(id, "sent")
        for message in args["messages"]:
            send(message)
        if not args.get("after"):
            text(id, "sent")
    elif name == "ask":
        ask(args["method"], args["params"], id)
    elif name == "late_ask":
        late.append((id, args["method"], args["params"]))
        progress(params, 1)
    elif name == "answer":
        send({"id": id, **args})
    elif name == "fail":
        send({"id": id, "error": args["error"]})
    elif name == "hold":
        held[args["key"]] = id
        progress(params, 1)
    elif name == "release":
        if "task" in args:
            begin_task(held.pop(args["key"]), {"id": args["task"]}, {})
        else:
            text(held.pop(args["key"]), "released")
        text(id, "done")
    elif name == "flood":
        for number in range(args["count"]):
            notify("notifications/resources/updated", {"uri": args["uri"], "fill": "x" * args["bytes"]})
        text(id, "sent")
    elif name == "set":
        kind = args["kind"]
        lists[kind] = args["items"]
        notify("notifications/%s/list_changed" % ("resources" if kind == "resourceTemplates" else kind), {})
        for message in args.get("then", []):
            send(message)
        text(id, "set")
    elif name == "die":
        os._exit(1)
    elif name == "task":
        begin_task(id, args, params)
    elif name == "task_status":
        row = {**task_row(args["id"]), "status": args["status"]}
        notify("notifications/tasks/status", {**row, "_meta": {RELATED: {"taskId": args["id"]}}})
        text(id, "told")
    elif name == "task_progress":
        notify("notifications/progress", {"progressToken": tasks[args["id"]]["token"], "progress": args["progress"]})
        text(id, "told")
    elif name == "task_ask":
        meta = {RELATED: {"taskId": args["id"]}, "progressToken": "own"}
        ask(args["method"], {**args["params"], "_meta": meta}, id)
    elif name == "task_end":
        end_task(args["id"], "completed")
        text(id, "ended")
    else:
        error(id, -32602, "%s has no tool %s" % (NAME, name))


def begin_task(id, args, params):
    own = args.get("id", "t%d" % (len(tasks) + 1))
    token = params.get("_meta", {}).get("progressToken")
    ttl = params.get("task", {}).get("ttl", 600000)
    tasks[own] = {"status": "working", "token": token, "ttl": ttl, "waiting": []}
    result(id, {"task": task_row(own)})


def progress(params, amount):
    token = params.get("_meta", {}).get("progressToken")
    if token is not None:
        notify("notifications/progress", {"progressToken": token, "progress": amount})


def read(id, uri):
    known = [row["uri"] for row in lists["resources"]] + option_list("hidden")
    heads = [row["uriTemplate"].split("{")[0] for row in lists["resourceTemplates"]]
    if uri in option_list("pages"):
        page = {"mode": "url", "elicitationId": "page-1", "url": "https://example.org/", "message": "Go there"}
        error(id, -32042, "a page comes first", {"elicitations": [page]})
    elif uri in known or ("unknown" not in OPTIONS and any(uri.startswith(head) for head in heads)):
        result(id, {"contents": [{"uri": uri, "text": NAME + " has " + uri}]})
    else:
        error(id, int(OPTIONS.get("unknown", "-32002")), NAME + " does not know " + uri)


def about_task(id, method, params):
    task = tasks.get(params["taskId"])
    if task is None:
        error(id, -32602, NAME + " has no such task")
    elif method == "tasks/get":
        result(id, task_row(params["taskId"]))
    elif method == "tasks/cancel":
        end_task(params["taskId"], "cancelled")
        result(id, task_row(params["taskId"]))
    elif task["status"] == "working":
        task["waiting"].append(id)
    else:
        result(id, task_outcome(params["taskId"]))


def list_tasks(id, params):
    start = int(params.get("cursor", "0"))
    end = start + int(OPTIONS.get("page", "1000"))
    more = {"nextCursor": str(end)} if end < len(tasks) else {}
    result(id, {"tasks": [task_row(own) for own in list(tasks)[start:end]], **more})


def initialize(id, params):
    global caps
    caps = params["capabilities"]
    can = {
        "tools": {"listChanged": True},
        "prompts": {"listChanged": True},
        "resources": {"subscribe": True, "listChanged": True},
        "completions": {},
        "logging": {},
        "tasks": {"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}},
    }
    if "mute" in OPTIONS:
        can["resources"] = {}
    can = {key: value for key, value in can.items() if key not in option_list("without")}
    info = {"name": NAME, "version": "1"}
    result(id, {"protocolVersion": "2025-11-25", "capabilities": can, "serverInfo": info})


def request(id, method, params):
    kinds = {"resources/templates/list": "resourceTemplates"}
    if method == OPTIONS.get("hold"):
        held[method] = id
    elif method == OPTIONS.get("refuse"):
        error(id, -32601, "Method not found")
    elif method == "initialize":
        initialize(id, params)
    elif method == "ping" or method in ("logging/setLevel", "resources/subscribe", "resources/unsubscribe"):
        result(id, {})
    elif method == "tools/call":
        tool(id, params["name"], params.get("arguments", {}), params)
    elif method == "tasks/list":
        list_tasks(id, params)
    elif method.startswith("tasks/"):
        about_task(id, method, params)
    elif method.endswith("/list"):
        kind = kinds.get(method, method.split("/")[0])
        if kind == "tools" and "storm" in OPTIONS:
            notify("notifications/tools/list_changed", {})
        result(id, {kind: lists[kind], **({"nextCursor": ""} if "cursor" in OPTIONS else {})})
    elif method == "prompts/get":
        words = {"type": "text", "text": NAME + " says " + params["name"]}
        result(id, {"messages": [{"role": "user", "content": words}]})
    elif method == "resources/read":
        read(id, params["uri"])
    elif method == "completion/complete":
        what = params["ref"].get("name", params["ref"].get("uri"))
        result(id, {"completion": {"values": [NAME, what, params["argument"]["value"]]}})
    else:
        error(id, -32601, NAME + " does not know " + method)


def notification(method, params):
    if method == "notifications/initialized" and "crash" in OPTIONS:
        os._exit(1)
    if method == "notifications/cancelled":
        for call, asks, with_params in [one for one in late if one[0] == params["requestId"]]:
            ask(asks, with_params)


def answer(message):
    call = asked.pop(message["id"], None)
    if call is not None:
        text(call, {key: message[key] for key in ("result", "error") if key in message})


note({"life": "begins"})
for line in sys.stdin:
    message = json.loads(line)
    heard.append(message)
    note(message)
    if "method" not in message:
        answer(message)
    elif "id" in message:
        request(message["id"], message["method"], message.get("params", {}))
    else:
        notification(message["method"], message.get("params", {}))
note({"life": "ends"})
while "linger" in OPTIONS:
    signal.pause()
