// describe.ts — what a person is told of a configuration and of a proxy that runs.
import { hostText } from "../admin/endpoints.ts";
import type { LoadedConfig } from "../config/load.ts";
import type { Action, RoutePlan } from "../config/routes-of.ts";
import type { Conditions } from "../routing/conditions.ts";
import { orderRoutes } from "../routing/route-table.ts";
import { listenersOf } from "../run/listeners.ts";
import type { WorkerStatus } from "../run/messages.ts";

/** The routes in the order in which they are tried, one a line. */
export const describeRoutes = (file: string, routes: readonly RoutePlan[]): string => {
  const rows = orderRoutes(routes).map(({ host, route }) => [
    hostText(host),
    route.pattern.text,
    conditionText(route.conditions),
    `→ ${actionText(route.action)}`,
  ]);
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map(
    (row) =>
      `  ${row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join("  ")
        .trimEnd()}\n`,
  );
  return `${file} is good. Its routes, the most specific first:\n${lines.join("")}`;
};

const conditionText = ({ methods, scheme, headers, query }: Conditions): string =>
  [
    ...(methods === null ? [] : [[...methods].join("|")]),
    ...(scheme === null ? [] : [scheme]),
    ...headers.map(({ name }) => `header ${name}`),
    ...query.map(({ name }) => `query ${name}`),
  ].join(", ");

const actionText = (action: Action): string => {
  switch (action.kind) {
    case "forward":
      return action.to.map(({ upstream }) => upstream).join(" | ");
    case "redirect":
      return `redirect ${action.status}`;
    case "respond":
      return `respond ${action.status}`;
    case "files":
      return `files of ${action.root}`;
    case "handler":
      return "handler";
  }
};

/** Where it listens, on what, and what to try. */
export const greeting = (loaded: LoadedConfig, workers: readonly WorkerStatus[]): string => {
  const [first] = workers;
  const secure = new Set(
    listenersOf(loaded.config).flatMap(({ address, tls }) => (tls === undefined ? [] : [address])),
  );
  const lines = (first?.listeners ?? []).flatMap(({ listen, addresses }) =>
    addresses.map((place) => `  listens on ${placeText(place, secure.has(listen) ? "https" : "http")}\n`),
  );
  const many = workers.length === 1 ? "1 worker" : `${workers.length} workers`;
  return `percore-proxy (${loaded.file}) is up\n${lines.join("")}  ${many}, driver ${first?.driver ?? "?"}\n`;
};

/** "[::]:8080" is every address; a person tries localhost. */
const placeText = (place: string, scheme: "http" | "https"): string =>
  place.startsWith("/") ? `unix:${place}` : `${scheme}://${place.replace(/^(\[::\]|0\.0\.0\.0):/, "localhost:")}/`;
