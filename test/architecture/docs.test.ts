import { readFileSync } from "node:fs";
import { join } from "node:path";
import { routes } from "../../functions/http/routes.ts";
import { environments } from "../../shared/config/env.ts";
import { plans } from "../../shared/config/plans.ts";
import { meaningOf } from "../../shared/errors.ts";
import { framePermissions } from "../../shared/protocol/client-frame.ts";
import { ErrorCode } from "../../shared/protocol/error-code.ts";
import { permissions, Role, roleMay, Scope, type Permission } from "../../shared/protocol/permission.ts";
import { durableEventData, liveEventData } from "../../shared/protocol/server-event.ts";
import { root } from "./support/sources.ts";

/** Cells of every table of the page whose header's cells begin so. */
function tableRows(page: string, ...header: string[]): string[][] {
  const tables = readFileSync(join(root, "docs", page), "utf8").split(/\n(?!\|)/);
  const cells = (line: string) =>
    line
      .split("|")
      .slice(1, -1)
      .map((cell) => cell.trim());
  return tables
    .map((block) => block.split("\n").filter((line) => line.startsWith("|")))
    .filter(([first = ""]) => header.every((name, index) => cells(first)[index] === name))
    .flatMap((lines) => lines.slice(2).map(cells));
}

/** As lines, in whatever order the page has them. */
const sorted = (rows: readonly string[][]) => rows.map((cells) => cells.join(" | ")).toSorted();
const bare = (cell: string | undefined) => (cell ?? "").replaceAll("`", "");
const firstColumns = (rows: string[][], count: number) => sorted(rows.map((row) => row.slice(0, count).map(bare)));

describe("docs/api.md", () => {
  it("has every route, with what it needs, and no other", () => {
    const served = routes.map(({ method, path, needs }) => [
      `${method} ${path}`,
      needs === "public" ? "anyone" : needs,
    ]);
    expect(firstColumns(tableRows("api.md", "route", "who"), 2)).toEqual(sorted(served));
  });

  it("has every error code, with its status and whether to retry, and no other", () => {
    const codes = ErrorCode.options.map((code) => {
      const { status, retryable } = meaningOf(code);
      return [code, String(status), retryable ? "yes" : "no"];
    });
    expect(firstColumns(tableRows("api.md", "code", "status", "retry"), 3)).toEqual(sorted(codes));
  });

  it("has every plan with its limits", () => {
    const figure = (limit: number | null) => limit?.toLocaleString("en") ?? "none";
    const limits = Object.entries(plans).map(([name, plan]) => {
      const { requests, sockets, runningContainers, storedSessions, promptsInFlight } = plan;
      const counted = [sockets, runningContainers, storedSessions, promptsInFlight].map(figure);
      return [name, requests ? `${requests.perMinute}, ${requests.burst}` : "none", ...counted];
    });
    expect(firstColumns(tableRows("api.md", "plan"), 6)).toEqual(sorted(limits));
  });
});

describe("docs/api-websocket.md", () => {
  it("has every frame with its permission, and no other", () => {
    expect(firstColumns(tableRows("api-websocket.md", "type", "permission"), 2)).toEqual(
      sorted(Object.entries(framePermissions)),
    );
  });

  it("has every event, and no other", () => {
    const types = [...Object.keys(durableEventData), ...Object.keys(liveEventData)];
    expect(firstColumns(tableRows("api-websocket.md", "type", "data"), 1)).toEqual(types.toSorted());
  });
});

describe("docs/security.md", () => {
  it("has every permission with its roles and whether a key may have it, and no other", () => {
    const names = Object.keys(permissions) as Permission[];
    const wanted = names.map((name) => {
      const roles = Role.options.map((role) => (roleMay(role, name) ? "yes" : ""));
      return [name, ...roles, Scope.options.some((scope) => scope === name) ? "yes" : ""];
    });
    const stated = tableRows("security.md", "permission", ...Role.options, "API key");
    expect(firstColumns(stated, 2 + Role.options.length)).toEqual(sorted(wanted));
  });
});

describe("every function", () => {
  const containers = ["supervisor", "toolbox"];
  const processes = Object.keys(environments)
    .filter((name) => !containers.includes(name))
    .toSorted();
  const named = (page: string) =>
    tableRows(page, "function")
      .flatMap(([name = ""]) => name.split(", "))
      .map((name) => name.charAt(0).toLowerCase() + name.slice(1))
      .toSorted();

  it.each(["security.md", "architecture.md"])("is in docs/%s, and no other", (page) => {
    expect(named(page)).toEqual(processes);
  });
});
