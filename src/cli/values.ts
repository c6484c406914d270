import { type HostAndPort, parseAddress } from "../endpoint.ts";
import { MAX_DELAY_MS } from "../time/clock.ts";
import { usageError } from "./exit.ts";

/** The range of a value; either end may be left open. */
export interface Range {
  readonly least?: number;
  readonly most?: number;
}

/** An option's name and value, for errors: `["--ttl", "5"]`. */
export type Named = readonly [name: string, text: string];

const UNITS: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 };

/**
 * Reads a duration such as `500ms`, `2s` or `1m`, in milliseconds; a number alone is seconds.
 *
 * @throws CliError for anything else, and if it is out of range.
 */
export function durationMs([name, text]: Named, { least = 0, most = MAX_DELAY_MS }: Range = {}): number {
  const [, amount = "", unit = "s"] = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text.trim()) ?? [];
  const ms = amount === "" ? NaN : Number(amount) * UNITS[unit]!;
  if (Number.isNaN(ms)) throw wrong([name, text], "a duration such as 500ms, 2s or 1m");
  if (ms < least || ms > most) throw wrong([name, text], `from ${least} ms to ${most} ms`);
  return ms;
}

/** Reads a whole number. @throws CliError for anything else, and if it is out of range. */
export function wholeNumber(named: Named, { least = 0, most = Number.MAX_SAFE_INTEGER }: Range = {}): number {
  const value = /^\d+$/.test(named[1]) ? Number(named[1]) : NaN;
  if (value >= least && value <= most) return value;
  const to = most === Number.MAX_SAFE_INTEGER ? "" : ` to ${most}`;
  throw wrong(named, `a whole number from ${least}${to}`);
}

/** Reads a number above 0. @throws CliError for anything else. */
export function positiveNumber(named: Named): number {
  const value = /^\d+(\.\d+)?$/.test(named[1]) ? Number(named[1]) : NaN;
  if (value > 0 && value < Infinity) return value;
  throw wrong(named, "a number above 0");
}

/** Reads JSON. @throws CliError if it is invalid. */
export function jsonValue([name, text]: Named): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw usageError(`${name} is not JSON: ${(error as Error).message}`);
  }
}

/** Reads `host:port`. @throws CliError that says why it is invalid. */
export function address([name, text]: Named): HostAndPort {
  try {
    return parseAddress(text);
  } catch (error) {
    throw usageError(`${name}: ${(error as Error).message}`);
  }
}

/** Reads where to listen: `host:port` or a port, of which 0 takes a free one. @throws CliError for anything else. */
export function listenAddress(named: Named): HostAndPort {
  const text = /^:?\d+$/.test(named[1]) ? `127.0.0.1:${named[1].replace(":", "")}` : named[1];
  // Port 0 is for listening only.
  const free = /:0+$/.test(text);
  const { host, port } = address([named[0], free ? text.replace(/:0+$/, ":1") : text]);
  return { host, port: free ? 0 : port };
}

/** The error for an option's value. */
export function wrong([name, text]: Named, expected: string): Error {
  return usageError(`${name} is ${JSON.stringify(text)}: expected ${expected}`);
}
