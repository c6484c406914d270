import { Code } from "@connectrpc/connect";
import { quoted } from "../option.ts";
import { ServiceConfigError } from "./error.ts";

/** Protobuf's JSON form of a duration, which needs a digit as well. */
const DURATION = /^(-?)(\d*)(?:\.(\d{0,9}))?s$/;
/** The longest duration of protobuf, in seconds. */
const LONGEST_SECONDS = 315_576_000_000;

/**
 * A value of a service config and where it is, so that errors say it. `null` counts as absent, as in protobuf's JSON.
 */
export class JsonValue {
  readonly #value: unknown;
  readonly #path: string;

  constructor(value: unknown, path: string) {
    this.#value = value;
    this.#path = path;
  }

  /** The error for this value. */
  error(reason: string): ServiceConfigError {
    return new ServiceConfigError(this.#path, reason);
  }

  /** What an option's check threw about what was made from this value, as an error of the config; others as they are. */
  rejected(error: unknown): unknown {
    const known = error instanceof ServiceConfigError;
    return !known && (error instanceof TypeError || error instanceof RangeError) ? this.error(error.message) : error;
  }

  /** An empty object at the same place. */
  empty(): JsonValue {
    return new JsonValue({}, this.#path);
  }

  /** This value, which must be an object. */
  object(): JsonValue {
    this.#object();
    return this;
  }

  /** A field of an object; undefined if it is absent. */
  field(name: string): JsonValue | undefined {
    const object = this.#object(), value = Object.hasOwn(object, name) ? object[name] : undefined;
    return value === undefined || value === null ? undefined : new JsonValue(value, this.#at(name));
  }

  /** A field that must be there. */
  required(name: string): JsonValue {
    const field = this.field(name);
    if (field === undefined) throw new ServiceConfigError(this.#at(name), "is missing");
    return field;
  }

  /** The only field of an object, by name. Its value may be absent. */
  only(): readonly [name: string, value: JsonValue] {
    const names = Object.keys(this.#object()), [name] = names;
    if (name === undefined || names.length > 1) throw this.error(`has ${names.length} keys: expected exactly one`);
    return [name, this.field(name) ?? new JsonValue({}, this.#at(name))];
  }

  list(): readonly JsonValue[] {
    if (!Array.isArray(this.#value)) throw this.#wrong("an array");
    return Array.from(this.#value, (item, i) => new JsonValue(item, `${this.#path}[${i}]`));
  }

  text(): string {
    if (typeof this.#value !== "string") throw this.#wrong("a string");
    return this.#value;
  }

  flag(): boolean {
    if (typeof this.#value !== "boolean") throw this.#wrong("true or false");
    return this.#value;
  }

  number(): number {
    if (typeof this.#value !== "number" || !Number.isFinite(this.#value)) throw this.#wrong("a number");
    return this.#value;
  }

  /** A whole number, which protobuf's JSON may spell as a string. */
  wholeNumber(least: number, most: number): number {
    const given = this.#value;
    const value = typeof given === "string" && /^-?\d{1,20}$/.test(given) ? Number(given) : given;
    if (typeof value !== "number" || !Number.isInteger(value)) throw this.#wrong("a whole number");
    if (value < least) throw this.error(`${value} is below ${least}`);
    if (value > most) throw this.error(`${value} is above ${most}`);
    return value;
  }

  /** A number above 0. */
  above0(): number {
    const value = this.number();
    if (value <= 0) throw this.error(`${value} is not above 0`);
    return value;
  }

  /** A duration of 0 or more, in milliseconds. */
  durationMs(): number {
    const value = this.#value, match = typeof value === "string" ? DURATION.exec(value) : null;
    const [, sign = "", whole = "", fraction = ""] = match ?? [];
    if (match === null || whole + fraction === "") throw this.#wrong('a duration such as "1.5s"');
    const ms = Number(whole) * 1_000 + Number(fraction.padEnd(9, "0")) / 1_000_000;
    if (ms > LONGEST_SECONDS * 1_000) throw this.error(`${quoted(value)} is beyond ${LONGEST_SECONDS}s`);
    if (sign !== "" && ms > 0) throw this.error(`${quoted(value)} is below 0s`);
    return ms;
  }

  /** A duration above 0, in milliseconds. */
  durationAbove0Ms(): number {
    const ms = this.durationMs();
    if (ms === 0) throw this.error(`${quoted(this.#value)} is not above 0s`);
    return ms;
  }

  /** Status codes other than OK: names in any case, or numbers. */
  codes(): readonly Code[] {
    return this.list().map((item) => item.#code());
  }

  #code(): Code {
    const value = this.#value;
    const code = typeof value === "string" ? CODES.get(value.toUpperCase()) : value;
    if (code === 0) throw this.error("OK is no error");
    if (typeof code !== "number" || Code[code] === undefined) throw this.#wrong('a status code such as "UNAVAILABLE"');
    return code;
  }

  #object(): Readonly<Record<string, unknown>> {
    const value = this.#value;
    if (typeof value !== "object" || value === null || Array.isArray(value)) throw this.#wrong("an object");
    return value as Record<string, unknown>;
  }

  #at(name: string): string {
    if (!/^\w+$/.test(name)) return `${this.#path}[${quoted(name)}]`;
    return this.#path === "" ? name : `${this.#path}.${name}`;
  }

  #wrong(expected: string): ServiceConfigError {
    return this.error(`${quoted(this.#value)} is not ${expected}`);
  }
}

/** gRPC's names of the codes: `DEADLINE_EXCEEDED` is Connect's `DeadlineExceeded`; `CANCELLED` has two Ls. */
const CODES: ReadonlyMap<string, number> = /* @__PURE__ */ (() =>
  new Map([
    ["OK", 0],
    ["CANCELLED", Code.Canceled],
    ...Object.entries(Code).filter((entry): entry is [string, Code] => typeof entry[1] === "number").map(
      ([name, code]) => [name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, "_").toUpperCase(), code] as const,
    ),
  ]))();

/** Parses JSON text, or takes what was parsed before. */
export function rootOf(json: unknown): JsonValue {
  if (typeof json !== "string") return new JsonValue(json, "");
  try {
    return new JsonValue(JSON.parse(json), "");
  } catch (error) {
    throw new ServiceConfigError("", `is not JSON: ${(error as Error).message}`);
  }
}
