import { isWildcardHost, parseAddress } from "../endpoint.ts";
import type { EndpointAttributes, RegisterOptions } from "./registry.ts";

/** In seconds; see `RegisterOptions.ttlSeconds`. */
const DEFAULT_TTL_SECONDS = 10;
/** The longest lease that etcd grants, in seconds. */
const MAX_TTL_SECONDS = 9_000_000_000;

/** What `register` was given, checked, with its defaults. */
export interface CheckedRegistration extends EndpointAttributes {
  readonly service: string;
  readonly address: string;
  readonly ttlSeconds: number;
  readonly onState: RegisterOptions["onState"];
}

/** What a registry's keys allow in the names of services. */
export interface ServiceNames {
  /** Whether a "/" may part a name. Defaults to false. */
  readonly slashes?: boolean;
}

/**
 * Checks a service's name: a non-empty string of at most 255 characters without white space and control characters, and
 * with "/" only where the registry's keys allow it, and not at its end; no part of it is "." or "..".
 *
 * @throws TypeError that names the value and what is expected.
 */
export function checkServiceName(service: unknown, { slashes = false }: ServiceNames = {}): asserts service is string {
  const wrong = (why: string) => {
    const quoted = typeof service === "string" ? JSON.stringify(service.slice(0, 100)) : String(service);
    return new TypeError(`service name ${quoted} ${why}: expected a name such as "simple_grpc"`);
  };
  if (typeof service !== "string") throw wrong("is not a string");
  if (service === "") throw wrong("is empty");
  if (service.length > 255) throw wrong(`has ${service.length} characters, more than 255`);
  if (!slashes && service.includes("/")) throw wrong('has a "/" in it, which this layout has no place for');
  if (service.endsWith("/")) throw wrong('ends with a "/"');
  if (service.split("/").some((part) => part === "." || part === "..")) throw wrong("is a path");
  if (/[\s\p{Cc}\p{Cf}\p{Cs}]/u.test(service)) throw wrong("has white space or a control character in it");
}

/** Checks what `register` is given. @throws TypeError or RangeError that names the value and what is expected. */
export function checkRegisterOptions(options: RegisterOptions, names?: ServiceNames): CheckedRegistration {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`register() takes { service, address, … }, not ${String(options)}`);
  }
  const { service, address, ttlSeconds = DEFAULT_TTL_SECONDS, onState } = options;
  checkServiceName(service, names);
  const { host } = parseAddress(address);
  if (isWildcardHost(host)) {
    throw new TypeError(
      `address "${address}" has a wildcard host, which clients can't call: ` +
        `expected the host that they reach this server by, for example "10.0.0.5:8000"`,
    );
  }
  const expected = `expected whole seconds from 1 to ${MAX_TTL_SECONDS}`;
  if (typeof ttlSeconds !== "number") {
    throw new TypeError(`ttlSeconds ${String(ttlSeconds)} (${typeof ttlSeconds}) is no number: ${expected}`);
  }
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < 1 || ttlSeconds > MAX_TTL_SECONDS) {
    throw new RangeError(`ttlSeconds ${ttlSeconds}: ${expected}`);
  }
  if (onState !== undefined && typeof onState !== "function") {
    throw new TypeError(`onState ${String(onState)} is no function: expected (state, cause) => void`);
  }
  return { service, address, ttlSeconds, onState, ...checkAttributes(options) };
}

/** Takes weight, zone and metadata out of an object. @throws TypeError or RangeError that names what is wrong. */
export function checkAttributes(attributes: EndpointAttributes): EndpointAttributes {
  if (typeof attributes !== "object" || attributes === null) {
    throw new TypeError(`attributes ${String(attributes)}: expected { weight, zone, metadata }`);
  }
  const { weight, zone, metadata } = attributes;
  if (weight !== undefined && typeof weight !== "number") {
    throw new TypeError(`weight ${String(weight)} (${typeof weight}) is no number: expected a number above 0`);
  }
  if (weight !== undefined && !(weight > 0 && weight < Infinity)) {
    throw new RangeError(`weight ${weight}: expected a finite number above 0`);
  }
  if (zone !== undefined && (typeof zone !== "string" || zone === "")) {
    throw new TypeError(`zone ${JSON.stringify(zone)}: expected a string that is not empty`);
  }
  return {
    ...(weight === undefined ? {} : { weight }),
    ...(zone === undefined ? {} : { zone }),
    ...(metadata === undefined ? {} : { metadata }),
  };
}
