import type { EndpointRow, PageState, ServiceRow, Table } from "../../page.ts";
import { CliError, EXIT, usageError } from "../exit.ts";
import { type Counts, RateMeter } from "./rates.ts";
import type { TopRow, TopSource } from "./top-sample.ts";

/** What is read of a page's `snapshot`. Its fields are checked as they are used: any program may answer there. */
interface Snapshot extends Pick<PageState, "nowMs"> {
  readonly services: Table<Partial<ServiceRow>>;
  readonly endpoints: Table<Partial<EndpointRow>>;
}

/** No page is larger. */
const MOST_BYTES = 64 * 1024 * 1024;

/**
 * The calls of a program, from its live page.
 *
 * @param service only this one; undefined: all that the program calls
 * @throws CliError for something that is no URL.
 */
export function pageSource(page: string, service: string | undefined): TopSource {
  const url = snapshotUrl(page), meter = new RateMeter();
  return {
    title: `the calls of the program at ${page}`,
    async sample(signal) {
      const { nowMs, services, endpoints } = await read(url, signal);
      const chosen = Object.entries(endpoints).filter(([, row]) => {
        if (!isTable(row as Readonly<Record<string, unknown>>)) return false;
        return service === undefined || services[row.service ?? ""]?.target === service;
      });
      const counts = chosen.map(([id, row]) =>
        [id, { calls: number(row.attempts) ?? 0, errors: number(row.failed) ?? 0 }] as const
      );
      const rates = meter.rates(new Map<string, Counts>(counts), nowMs);
      const stale = Object.values(services).find((row) => service === undefined || row.target === service);
      const why = stale?.problem ?? stale?.stale;
      return {
        rows: chosen.map(([id, row]) => ({ ...topRow(row, services), ...rates(id) })),
        ...typeof why === "string" && { stale: why },
      };
    },
    close: () => Promise.resolve(),
  };
}

function topRow(row: Partial<EndpointRow>, services: Snapshot["services"]): TopRow {
  const state = text(row.state) ?? "unknown", ejectedForS = number(row.ejectedForS);
  const held = row.health === "serving" || row.health === "unknown" ? undefined : text(row.health);
  const why = ejectedForS !== undefined
    ? `ejected for ${ejectedForS} s: ${held ?? ""}`
    : state === "ready"
    ? held
    : text(row.lastError);
  const known = {
    service: text(services[row.service ?? ""]?.target),
    // Nothing is heard of a server that is not connected, whatever an older page says.
    health: held === undefined
      ? state === "ready" ? text(row.health) : "unknown"
      : ejectedForS === undefined
      ? "held back"
      : "ejected",
    inFlight: number(row.inFlight),
    p50Ms: number(row.p50Ms),
    p99Ms: number(row.p99Ms),
    zone: text(row.zone),
    weight: number(row.weight),
    why,
  };
  const given = Object.entries(known).filter(([, value]) => value !== undefined);
  return { endpoint: text(row.address) ?? "?", state, ...Object.fromEntries(given) };
}

function text(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === "number" ? value : undefined;
}

/** The address of a page's state: the page itself, with or without a "/" at its end. */
function snapshotUrl(page: string): URL {
  const text = /^https?:\/\//i.test(page) ? page : `http://${page}`;
  if (!URL.canParse(text)) {
    throw usageError(`--page: ${JSON.stringify(page)} is no URL: expected for example http://127.0.0.1:9000`);
  }
  const url = new URL(text);
  if (url.username !== "" || url.password !== "") throw usageError("--page: the URL has user information");
  if (!url.pathname.endsWith("/snapshot")) url.pathname = `${url.pathname.replace(/\/$/, "")}/snapshot`;
  url.search = url.hash = "";
  return url;
}

async function read(url: URL, signal: AbortSignal): Promise<Snapshot> {
  const next = [`is it the page of a program that uses connect-lb? ${url}`];
  let response: Response;
  try {
    response = await fetch(url, { signal, redirect: "error" });
  } catch (error) {
    signal.throwIfAborted();
    const cause = (error as Error).cause;
    const why = cause instanceof Error ? cause.message : (error as Error).message;
    throw new CliError(`can't reach the page: ${why}`, { exitCode: EXIT.unreachable, next, cause: error });
  }
  const text = await response.text();
  if (!response.ok) throw new CliError(`the page answers HTTP ${response.status}: ${text.slice(0, 200)}`, { next });
  try {
    if (text.length > MOST_BYTES) throw new Error("it is too large");
    const snapshot = JSON.parse(text) as Partial<Snapshot>;
    const { nowMs, services, endpoints } = snapshot;
    if (typeof nowMs !== "number" || !isTable(services) || !isTable(endpoints)) throw new Error("it has no endpoints");
    return { nowMs, services, endpoints };
  } catch (error) {
    throw new CliError(`what answers there is no page of connect-lb: ${(error as Error).message}`, {
      next,
      cause: error,
    });
  }
}

function isTable<Row>(value: Readonly<Record<string, Row>> | undefined): value is Readonly<Record<string, Row>> {
  return typeof value === "object" && value !== null;
}
