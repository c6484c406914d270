import { isWildcardHost, parseAddress } from "../endpoint.ts";
import {
  anything,
  checkOptions,
  type Checks,
  flag,
  fn,
  kind,
  number,
  quoted,
  required,
  wholeNumber,
} from "../option.ts";
import type { EndpointAttributes, RegisterOptions, RenewOptions } from "./registry.ts";

/** In seconds; see `RegisterOptions.ttlSeconds`. */
const DEFAULT_TTL_SECONDS = 10;
/** The longest TTL that etcd grants, in seconds. */
const MAX_TTL_SECONDS = 9_000_000_000;

/** The options of `register`, checked and with defaults. */
export interface CheckedRegistration extends EndpointAttributes {
  readonly service: string;
  readonly address: string;
  readonly ttlSeconds: number;
  readonly takeOver: boolean;
  readonly onState: RegisterOptions["onState"];
}

/** What a registry's keys allow in service names. */
export interface ServiceNames {
  /** Whether a name may contain "/". Defaults to false. */
  readonly slashes?: boolean;
}

/**
 * Checks a service name: a non-empty string of at most 255 characters without white space or control characters. It may
 * contain "/" only if the registry's keys allow it, and not at its end; no part of it is "." or "..".
 *
 * @throws TypeError that names the value and what is expected.
 */
export function checkServiceName(service: unknown, { slashes = false }: ServiceNames = {}): asserts service is string {
  const wrong = (why: string) => {
    return new TypeError(`service name ${quoted(service)} ${why}: expected a name such as "simple_grpc"`);
  };
  if (typeof service !== "string") throw wrong("is not a string");
  if (service === "") throw wrong("is empty");
  if (service.length > 255) throw wrong(`has ${service.length} characters, more than 255`);
  if (!slashes && service.includes("/")) throw wrong('contains a "/", which this layout does not support');
  if (service.endsWith("/")) throw wrong('ends with a "/"');
  if (service.split("/").some((part) => part === "." || part === "..")) throw wrong("is a path");
  if (/[\s\p{Cc}\p{Cf}\p{Cs}]/u.test(service)) throw wrong("contains white space or a control character");
}

const ATTRIBUTES: Checks<EndpointAttributes> = {
  weight: number("a finite number above 0", (value) => value > 0 && value < Infinity),
  zone: kind("a non-empty string", (value) => typeof value === "string" && value !== ""),
  metadata: anything,
};

const REGISTER: Checks<RegisterOptions> = {
  ...ATTRIBUTES,
  // Checked by their own functions, below.
  service: required(anything),
  address: required(anything),
  ttlSeconds: wholeNumber(1, MAX_TTL_SECONDS, "seconds"),
  takeOver: flag,
  onState: fn("a function, (state, cause) => void"),
};

const { onState: _, takeOver: __, ...SERVER } = REGISTER;
const RENEW: Checks<RenewOptions> = { ...SERVER, ttlSeconds: required(REGISTER.ttlSeconds) };

/** Checks the options of `register`. @throws TypeError or RangeError that names the value and what is expected. */
export function checkRegisterOptions(options: RegisterOptions, names?: ServiceNames): CheckedRegistration {
  checkOptions("register()", options, REGISTER);
  checkServer(options, names);
  const { service, address, ttlSeconds = DEFAULT_TTL_SECONDS, takeOver = true, onState } = options;
  return { service, address, ttlSeconds, takeOver, onState, ...attributesOf(options) };
}

/**
 * Checks the options of `renew` and `deregister`. @throws TypeError or RangeError that names the value and what is
 * expected.
 */
export function checkRenewOptions(taker: string, options: RenewOptions, names?: ServiceNames): RenewOptions {
  checkOptions(taker, options, RENEW);
  checkServer(options, names);
  const { service, address, ttlSeconds } = options;
  return { service, address, ttlSeconds, ...attributesOf(options) };
}

function checkServer({ service, address }: Pick<RenewOptions, "service" | "address">, names?: ServiceNames): void {
  checkServiceName(service, names);
  const { host } = parseAddress(address);
  if (isWildcardHost(host)) {
    throw new TypeError(
      `address "${address}" has a wildcard host, which clients can't call: ` +
        `expected the host that they reach this server by, for example "10.0.0.5:8000"`,
    );
  }
}

/** Checks the attributes passed to `update`. @throws TypeError or RangeError that names what is wrong. */
export function checkAttributes(attributes: EndpointAttributes): EndpointAttributes {
  checkOptions("update()", attributes, ATTRIBUTES);
  return attributesOf(attributes);
}

/** Picks weight, zone and metadata from an object. */
function attributesOf({ weight, zone, metadata }: EndpointAttributes): EndpointAttributes {
  return {
    ...(weight === undefined ? {} : { weight }),
    ...(zone === undefined ? {} : { zone }),
    ...(metadata === undefined ? {} : { metadata }),
  };
}
