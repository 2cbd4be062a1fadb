/** The deliberate mistake in `tasks.js`, and what the script replaces it with. */
export const bug = "tasks.filter((task) => task.done).length";
export const fix = "tasks.filter((task) => !task.done).length";

export function logicFiles(title: string): Record<string, string> {
  return {
    "package.json": `${JSON.stringify(
      {
        name: "todo-app",
        description: title,
        private: true,
        type: "module",
        scripts: { start: "node server.js", test: "node --test" },
      },
      null,
      2,
    )}\n`,
    "tasks.js": `/** A list of tasks is never changed in place: each function returns a new one. */
export function addTask(tasks, text) {
  const trimmed = text.trim();
  if (trimmed === "") return tasks;
  const id = tasks.reduce((highest, task) => Math.max(highest, task.id), 0) + 1;
  return [...tasks, { id, text: trimmed, done: false }];
}

export function toggleTask(tasks, id) {
  return tasks.map((task) => (task.id === id ? { ...task, done: !task.done } : task));
}

/** How many tasks are left to do. */
export function remaining(tasks) {
  return ${bug};
}
`,
    "tasks.test.js": `import assert from "node:assert/strict";
import { test } from "node:test";
import { addTask, remaining, toggleTask } from "./tasks.js";

test("a task is added at the end, without the spaces around it", () => {
  const tasks = addTask(addTask([], "bread"), "  milk ");
  assert.deepEqual(tasks.map((task) => task.text), ["bread", "milk"]);
});

test("an empty text adds nothing", () => {
  assert.deepEqual(addTask([], "   "), []);
});

test("toggling changes one task and leaves the list as it was", () => {
  const before = addTask(addTask([], "bread"), "milk");
  const after = toggleTask(before, 2);
  assert.deepEqual(after.map((task) => task.done), [false, true]);
  assert.equal(before[1].done, false);
});

test("remaining counts what is left", () => {
  const tasks = addTask(addTask(addTask([], "bread"), "milk"), "tea");
  assert.equal(remaining(toggleTask(tasks, 1)), 2);
});
`,
  };
}

export function pageFiles(title: string): Record<string, string> {
  return {
    "server.js": serverFile,
    "public/index.html": indexFile(title),
    "public/style.css": styleFile,
    "public/page.js": pageScript,
  };
}

const indexFile = (title: string) => `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>${title}</title>
    <link rel="stylesheet" href="style.css">
  </head>
  <body>
    <main>
      <h1>${title}</h1>
      <p id="count" aria-live="polite"></p>
      <form id="new">
        <label for="text">New task</label>
        <input id="text" name="text" autocomplete="off" required>
        <button>Add</button>
      </form>
      <ul id="list"></ul>
    </main>
    <script type="module" src="page.js"></script>
  </body>
</html>
`;

const styleFile = `:root {
  --accent: #0b6e4f;
  font-family: system-ui, sans-serif;
}

main {
  max-width: 32rem;
  margin: 3rem auto;
  padding: 0 1rem;
}

h1 {
  color: var(--accent);
}

button {
  background: var(--accent);
  color: white;
  border: 0;
  border-radius: 4px;
  padding: 0.4rem 1rem;
}

li.done label {
  text-decoration: line-through;
  opacity: 0.6;
}
`;

const pageScript = `const list = document.querySelector("#list");
const count = document.querySelector("#count");
const form = document.querySelector("#new");

function show({ tasks, remaining }) {
  count.textContent = remaining + " left to do";
  list.replaceChildren(...tasks.map(row));
}

function row(task) {
  const item = document.createElement("li");
  const label = document.createElement("label");
  const box = document.createElement("input");
  item.className = task.done ? "done" : "";
  box.type = "checkbox";
  box.checked = task.done;
  box.addEventListener("change", () => send("api/tasks/" + task.id + "/toggle"));
  label.append(box, " ", task.text);
  item.append(label);
  return item;
}

async function send(path, body) {
  const answer = await fetch(path, { method: "POST", body: JSON.stringify(body ?? {}) });
  show(await answer.json());
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  await send("api/tasks", { text: form.text.value });
  form.reset();
});

show(await (await fetch("api/tasks")).json());
`;

const serverFile = `import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";
import { addTask, remaining, toggleTask } from "./tasks.js";

const types = { ".html": "text/html", ".css": "text/css", ".js": "text/javascript" };
const pages = new Set(["/index.html", "/style.css", "/page.js"]);
const host = process.env.HOST ?? "127.0.0.1";
let tasks = addTask(addTask([], "Look at this app"), "Ask for a change");

const server = createServer(async (request, response) => {
  try {
    const { pathname } = new URL(request.url, "http://localhost");
    if (pathname.startsWith("/api/")) return await api(request, response, pathname);
    await file(response, pathname === "/" ? "/index.html" : pathname);
  } catch (error) {
    console.error(error);
    response.writeHead(500).end("something went wrong");
  }
});

async function api(request, response, pathname) {
  const toggled = /^\\/api\\/tasks\\/(\\d+)\\/toggle$/.exec(pathname);
  if (request.method === "POST" && pathname === "/api/tasks") tasks = addTask(tasks, String((await body(request)).text ?? ""));
  else if (request.method === "POST" && toggled) tasks = toggleTask(tasks, Number(toggled[1]));
  else if (request.method !== "GET" || pathname !== "/api/tasks") return response.writeHead(404).end();
  response.writeHead(200, { "content-type": "application/json" });
  response.end(JSON.stringify({ tasks, remaining: remaining(tasks) }));
}

async function body(request) {
  let text = "";
  for await (const chunk of request) text += chunk;
  return JSON.parse(text || "{}");
}

/** Read at every request, so that a change shows after a reload. */
async function file(response, pathname) {
  if (!pages.has(pathname)) return response.writeHead(404).end("not found");
  const content = await readFile(new URL("./public" + pathname, import.meta.url));
  response.writeHead(200, { "content-type": types[extname(pathname)] + "; charset=utf-8", "cache-control": "no-store" });
  response.end(content);
}

/** The first free port from here on. */
let port = Number(process.env.PORT ?? 3000);
const last = port + 50;
server.on("error", (error) => {
  if (error.code !== "EADDRINUSE" || port >= last) throw error;
  port += 1;
  server.listen(port, host);
});
server.on("listening", () => console.log("listening on http://" + host + ":" + server.address().port + " pid " + process.pid));
server.listen(port, host);
`;
