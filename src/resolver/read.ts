import { checkEndpoint, type Endpoint } from "../endpoint.ts";
import { quoted } from "../option.ts";
import { markHopeless } from "./hopeless.ts";
import type { Resolution } from "./resolver.ts";

/** Is notified of what is skipped in a resolution; its methods must not throw. */
export interface ReadListener {
  /** An endpoint of a set is invalid, and is skipped. */
  skipped(endpoint: unknown, cause: Error): void;
}

/** A resolution as it may be used. */
export interface ReadResolution {
  readonly resolution: Resolution;
  /** Why an endpoint was skipped, if one was. */
  readonly leftOut: Error | undefined;
}

/**
 * Returns a function that validates what one resolver yields: invalid endpoints are left out and reported, each once.
 * It throws a TypeError for anything but a resolution.
 */
export function resolutionReader(listener: ReadListener): (resolution: Resolution) => ReadResolution {
  const judge = endpointJudge(listener);
  return (resolution) => {
    checkResolution(resolution);
    let leftOut: Error | undefined;
    const endpoints = resolution.endpoints?.filter((endpoint) => {
      const wrong = judge(endpoint);
      leftOut = wrong ?? leftOut;
      return wrong === undefined;
    });
    return { resolution: { ...resolution, endpoints }, leftOut };
  };
}

/** The error for a resolver that yields something other than a resolution: a bug in the program. */
const badResolution = (text: string): TypeError => markHopeless(new TypeError(text));

/** @throws TypeError */
export function checkIterable(resolutions: AsyncIterable<Resolution>): AsyncIterable<Resolution> {
  if (typeof resolutions === "object" && resolutions !== null && Symbol.asyncIterator in resolutions) {
    return resolutions;
  }
  throw badResolution(
    `resolve() of the resolver returned ${
      quoted(resolutions)
    }: expected an AsyncIterable, as of async *resolve(signal)`,
  );
}

/** @throws TypeError */
function checkResolution(resolution: Resolution): void {
  const wrong = (what: string, value: unknown, expected: string) => {
    return badResolution(`the resolver yielded ${what} ${quoted(value)}: expected ${expected}`);
  };
  if (typeof resolution !== "object" || resolution === null || !("endpoints" in resolution)) {
    const without = typeof resolution !== "object" || resolution === null || Array.isArray(resolution)
      ? quoted(resolution)
      : "an object without endpoints";
    throw badResolution(`the resolver yielded ${without}: expected { endpoints, stale? }`);
  }
  const { endpoints, stale } = resolution;
  if (endpoints !== undefined && !Array.isArray(endpoints)) throw wrong("endpoints", endpoints, "an array");
  if (stale !== undefined && !(typeof stale?.sinceMs === "number" && stale.cause instanceof Error)) {
    throw wrong("stale", stale, "{ sinceMs, cause }");
  }
}

/** Returns a function that says what is wrong with an invalid endpoint. Each object is checked, and reported, once. */
function endpointJudge({ skipped }: ReadListener): (endpoint: Endpoint) => Error | undefined {
  const seen = new WeakMap<Endpoint, Error | "good">();
  return (endpoint) => {
    const known = seen.get(endpoint);
    if (known !== undefined) return known === "good" ? undefined : known;
    let wrong: Error | undefined;
    try {
      checkEndpoint(endpoint);
    } catch (error) {
      wrong = error as Error;
      skipped(endpoint, wrong);
    }
    if (typeof endpoint === "object" && endpoint !== null) seen.set(endpoint, wrong ?? "good");
    return wrong;
  };
}
