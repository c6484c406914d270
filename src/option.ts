import { escapedText } from "./shown-text.ts";

/**
 * The check of one option. All checks throw errors of the same form:
 * `option ttlSeconds is "5": expected whole seconds …`. A wrong type or an unknown name is a TypeError, a value out of
 * range is a RangeError.
 */
export interface Check {
  /** Throws unless the value is valid. `name` is the option's full name: `retry.maxAttempts`. */
  (name: string, value: unknown): void;
  /** Whether the option must be given. */
  readonly required?: true;
}

/** The checks of all options of a factory: a missing one doesn't compile. */
export type Checks<Options extends object> = { readonly [Name in keyof Required<Options>]: Check };

/**
 * Checks the options passed to a factory. An undefined option counts as omitted.
 *
 * @param taker the factory, for the message: `grpcConnector()`
 * @param within the prefix of the names of nested options: `retry.`
 * @throws TypeError or RangeError that names the option, its value and what is expected
 */
export function checkOptions<Options extends object>(
  taker: string,
  options: Options,
  checks: Checks<Options>,
  within = "",
): void {
  if (!isObject(options)) {
    const needed = Object.keys(checks).filter((name) => checks[name as keyof Options].required).join(" and ");
    throw new TypeError(`${taker} takes an options object${needed && ` with ${needed}`}, not ${quoted(options)}`);
  }
  // This may run once per call of a balanced transport, so no list of names is made unless something is wrong.
  for (const name in options) {
    if (options[name] !== undefined && !Object.hasOwn(checks, name) && Object.hasOwn(options, name)) {
      refuseUnknown(taker, options, Object.keys(checks), within);
    }
  }
  for (const name in checks) {
    const value = options[name];
    if (value !== undefined || checks[name].required) checks[name](within === "" ? name : within + name, value);
  }
}

/**
 * The options that are set, as a plain object that can be spread and passed on: it includes inherited ones and getters,
 * and omits undefined ones.
 */
export function givenOf<Options extends object>(options: Options, names: readonly string[]): Options {
  const given = names.map((name) => [name, options[name as keyof Options]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined)) as Options;
}

/** The options that are set, and the defaults of all others. */
export function withDefaults<Options extends object>(options: Options, defaults: Required<Options>): Required<Options> {
  return { ...defaults, ...givenOf(options, Object.keys(defaults)) };
}

/** Rejects options whose names are not in `names`. @throws TypeError that suggests the name that may be meant. */
export function refuseUnknown(taker: string, options: object, names: readonly string[], within = ""): void {
  for (const [name, value] of Object.entries(options)) {
    if (value === undefined || names.includes(name)) continue;
    const near = nearest(name, names);
    const hint = near === undefined ? `it takes ${names.join(", ") || "none"}` : `did you mean ${within}${near}?`;
    throw new TypeError(`${taker} has no option ${quoted(`${within}${name}`)}: ${hint}`);
  }
}

/** The error for an invalid value of an option. */
export function wrongOption(
  name: string,
  value: unknown,
  expected: string,
  Kind: typeof TypeError | typeof RangeError = TypeError,
): Error {
  return new Kind(`option ${name} is ${quoted(value)}: expected ${expected}`);
}

/** A value as error messages show it: strings are quoted and truncated, objects are only named by kind. */
export function quoted(value: unknown): string {
  if (typeof value === "string") return escapedText(JSON.stringify(value.slice(0, 100)));
  if (typeof value === "function") return value.name === "" ? "a function" : `the function ${value.name}`;
  if (Array.isArray(value)) return "an array";
  if (typeof value !== "object" || value === null) return String(value);
  const other = builtIn(value);
  if (other !== undefined) return other === "Promise" ? "a promise" : `an object (${other})`;
  return Object.keys(value).length === 0 ? "{}" : "an object";
}

/** Objects that can't be options objects: an `await` or a conversion is missing. */
const BUILT_IN = /^\[object (\w*Array|Promise|Map|Set|Date|RegExp|Error|Number|String|Boolean|URL)\]$/;

function builtIn(value: object): string | undefined {
  return BUILT_IN.exec(Object.prototype.toString.call(value))?.[1];
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null && builtIn(value) === undefined;
}

// The checks

/** An option that must be given. */
export function required(check: Check): Check {
  return Object.assign((name: string, value: unknown) => check(name, value), { required: true as const });
}

/** A value that `is` accepts; anything else is of the wrong type. */
export function kind(expected: string, is: (value: unknown) => boolean): Check {
  return (name, value) => {
    if (!is(value)) throw wrongOption(name, value, expected);
  };
}

/** A value that must not appear in an error: a password, a private key. */
export function secret(expected: string, is: (value: unknown) => boolean): Check {
  return (name, value) => {
    if (is(value)) return;
    const what = value === undefined || value === null ? String(value) : `a ${typeof value} that can't be used`;
    throw new TypeError(`option ${name} is ${what}: expected ${expected}`);
  };
}

/** Checked elsewhere. */
export const anything: Check = () => {};

/** A function. `expected` shows its signature. */
export function fn(expected: string): Check {
  return kind(expected, (value) => typeof value === "function");
}

/**
 * What a factory of this library returns, such as the connector of `grpcConnector()`. If the factory itself is passed
 * instead, uncalled, the error says so; {@link made} records which functions are factories.
 */
export function makes(expected: string, is: (value: unknown) => boolean): Check {
  return (name, value) => {
    if (typeof value === "function" && (factories.has(value) || !is(value))) {
      const called = value.name.replace(/^bound /, "");
      throw wrongOption(name, value, `${expected}. Call it: ${called === "" ? "it" : called}(…)`);
    }
    if (!is(value)) throw wrongOption(name, value, expected);
  };
}

const factories = new WeakSet<object>();

/** Records that a function returns what an option takes, so that {@link makes} can tell the two apart. */
export function made(...makers: readonly object[]): void {
  for (const maker of makers) factories.add(maker);
}

/** True or false. */
export const flag: Check = /* @__PURE__ */ kind("true or false", (value) => typeof value === "boolean");

/** Non-empty text without control characters. */
export const text: Check = /* @__PURE__ */ kind(
  "non-empty text without control characters",
  (value) => typeof value === "string" && value !== "" && !/\p{Cc}/u.test(value),
);

/** One of these values. */
export function oneOf(...values: readonly unknown[]): Check {
  const expected = values.map((value) => quoted(value)).join(" or ");
  return kind(expected, (value) => values.includes(value));
}

/** An array of what `is` accepts. */
export function listOf(expected: string, is: (item: unknown) => boolean): Check {
  return kind(expected, (value) => Array.isArray(value) && Array.from(value).every((item) => is(item)));
}

/** Connect interceptors. */
export const interceptors: Check = /* @__PURE__ */ listOf(
  "an array of Connect interceptors",
  (item) => typeof item === "function",
);

/** Nested options. */
export function group<Options extends object>(expected: string, taker: string, checks: Checks<Options>): Check {
  return (name, value) => {
    if (!isObject(value)) throw wrongOption(name, value, expected);
    checkOptions(taker, value as Options, checks, `${name}.`);
  };
}

/** Nested options; what is expected names them all. */
export function fields<Options extends object>(taker: string, checks: Checks<Options>): Check {
  return group(`an object, { ${Object.keys(checks).join(", ")} }`, taker, checks);
}

/** Nested options of something that `false` turns off. */
export function fieldsOrFalse<Options extends object>(taker: string, checks: Checks<Options>): Check {
  return or(false, group("an object or false", taker, checks));
}

/** An object whose names `isName` accepts, and whose values `check` does. */
export function byName(expected: string, isName: (name: string) => boolean, check: Check): Check {
  return (name, value) => {
    if (!isObject(value)) throw wrongOption(name, value, expected);
    for (const [key, item] of Object.entries(value)) {
      if (!isName(key)) throw wrongOption(name, key, expected);
      check(`${name}[${quoted(key)}]`, item);
    }
  };
}

/** Either the value `other`, or what `check` accepts. */
export function or(other: unknown, check: Check): Check {
  return (name, value) => {
    if (value !== other) check(name, value);
  };
}

/** A number in range; anything but a number is of the wrong type. */
export function number(expected: string, inRange: (value: number) => boolean): Check {
  return (name, value) => {
    if (typeof value !== "number") throw wrongOption(name, value, expected);
    if (!inRange(value)) throw wrongOption(name, value, expected, RangeError);
  };
}

/** A time above 0, or Infinity. */
export const milliseconds: Check = /* @__PURE__ */ time("milliseconds above 0", (value) => value > 0);
/** A time of 0 or more, or Infinity. */
export const millisecondsFrom0: Check = /* @__PURE__ */ time("milliseconds from 0", (value) => value >= 0);

/** A factor. */
export const from1: Check = /* @__PURE__ */ number("a number from 1", (value) => value >= 1 && value < Infinity);

/** A time in milliseconds in range; NaN is of the wrong type. */
export function time(expected: string, inRange: (value: number) => boolean): Check {
  return (name, value) => {
    if (Number.isNaN(value)) throw wrongOption(name, value, expected);
    number(expected, inRange)(name, value);
  };
}

/** A whole number, optionally of a `unit`. */
export function wholeNumber(least: number, most: number = Number.MAX_SAFE_INTEGER, unit?: string): Check {
  const what = unit === undefined ? "a whole number" : `whole ${unit}`;
  const to = most === Number.MAX_SAFE_INTEGER ? "" : ` to ${most}`;
  return number(`${what} from ${least}${to}`, (value) => Number.isInteger(value) && value >= least && value <= most);
}

/** A size in bytes. */
export function bytes(least: number, most?: number): Check {
  return wholeNumber(least, most, "bytes");
}

/** An object with settings that are checked where they are read. */
export const object: Check = /* @__PURE__ */ kind("an object", (value) => typeof value === "object" && value !== null);

/** A clock, such as a test's. */
export const clock: Check = /* @__PURE__ */ kind("a clock: { now(), timer(delayMs, callback, hold) }", (value) => {
  const { now, timer } = (value ?? {}) as { now?: unknown; timer?: unknown };
  return typeof now === "function" && typeof timer === "function";
});

/** A source of random numbers. */
export const random: Check = /* @__PURE__ */ fn("a function that returns a number from 0 to below 1");

/** The name most similar to another, if any is similar at all. */
export function nearest(name: string, names: readonly string[]): string | undefined {
  const wanted = name.slice(0, 50).toLowerCase();
  let best: string | undefined, least = Infinity;
  for (const candidate of names) {
    const other = candidate.toLowerCase();
    const part = wanted.length > 2 && other.length > 2 && (hasWord(candidate, wanted) || wanted.includes(other));
    const distance = part && wanted !== other ? 1 : editDistance(wanted, other);
    if (distance >= least || distance > Math.max(2, Math.min(wanted.length, other.length) / 2)) continue;
    [best, least] = [candidate, distance];
  }
  return best;
}

/** Whether a name has words that begin with others: `port` is no part of `loadReports`, and `interval` of `intervalMs`. */
function hasWord(name: string, begin: string): boolean {
  const at = name.toLowerCase().indexOf(begin);
  return at === 0 || (at > 0 && name[at] !== name[at]!.toLowerCase());
}

/** How many letters must be inserted, deleted or replaced to turn one word into the other (Levenshtein). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length]!;
}
