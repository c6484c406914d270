// Replaces what the runtime offers of time, chance and the outside. Imported before anything of src, because some of it
// is read when a module is loaded.
import net from "node:net";
import process from "node:process";

type Anything = (...args: never[]) => unknown;

/** The runtime's own: what the simulation's loop itself runs on. */
export const runtime: { readonly setImmediate: typeof setImmediate; now(): number } = {
  setImmediate: globalThis.setImmediate,
  now: (): number => performanceNow(),
};
const performanceNow = performance.now.bind(performance);

/** What was used during a run although nothing may: each makes the run fail. */
export const leaks: string[] = [];

/** What a running simulation does in place of the runtime. */
export interface Running {
  /** `setImmediate`: something in the next turn. */
  nextTurn(callback: () => void): void;
}

let running: Running | undefined;

/** From now on, or until undefined is given, everything below belongs to a simulation. */
export function guard(by: Running | undefined): void {
  running = by;
}

function refuse(what: string): never {
  leaks.push(what);
  throw new Error(`${what} was used during a simulation: inject it`);
}

/** Replaces a function of an object by one that is refused during a simulation. */
function guarded(object: object, name: string): void {
  const owner = object as Record<string, Anything | undefined>, original = owner[name];
  if (original === undefined) return;
  const replacement = function (this: unknown, ...args: never[]): unknown {
    if (running !== undefined) refuse(name);
    return Reflect.apply(original, this, args);
  };
  Object.defineProperty(object, name, { value: replacement, configurable: true, writable: true });
}

for (const name of ["setTimeout", "setInterval", "fetch"]) guarded(globalThis, name);
guarded(Math, "random");
guarded(performance, "now");
guarded(crypto, "getRandomValues");
guarded(crypto, "randomUUID");
guarded(AbortSignal, "timeout");
guarded(net.Socket.prototype, "connect");
guarded(net.Server.prototype, "listen");

const { cpuUsage } = process;
/** A simulated process uses no CPU. */
process.cpuUsage =
  ((before) => running === undefined ? cpuUsage.call(process, before) : { user: 0, system: 0 }) as typeof cpuUsage;

const RealDate = Date;
globalThis.Date = new Proxy(RealDate, {
  construct(target, args: unknown[]) {
    if (running !== undefined && args.length === 0) refuse("Date");
    return Reflect.construct(target, args);
  },
  get: (target, name) => name === "now" && running !== undefined ? () => refuse("Date.now") : Reflect.get(target, name),
});

const inNextTurn = ((callback: (...args: unknown[]) => void, ...args: unknown[]) => {
  if (running === undefined) return runtime.setImmediate(callback, ...args);
  running.nextTurn(() => callback(...args));
  return undefined;
}) as typeof globalThis.setImmediate;
globalThis.setImmediate = inNextTurn;

/** What is registered to be notified when something is collected; by the thing itself. */
const registered = new Map<WeakKey, Map<SimulatedRegistry, unknown>>();

/** A FinalizationRegistry whose garbage is collected by {@link collect} alone. */
class SimulatedRegistry {
  readonly #cleanup: (held: unknown) => void;

  constructor(cleanup: (held: unknown) => void) {
    this.#cleanup = cleanup;
  }

  register(target: WeakKey, held: unknown, token: WeakKey = target): void {
    let all = registered.get(target);
    if (all === undefined) registered.set(target, all = new Map());
    all.set(this, held);
    if (token !== target) registered.set(token, all);
  }

  unregister(token: WeakKey): boolean {
    const all = registered.get(token);
    if (all === undefined || !all.delete(this)) return false;
    if (all.size === 0) registered.delete(token);
    return true;
  }

  collected(held: unknown): void {
    this.#cleanup(held);
  }
}
globalThis.FinalizationRegistry = SimulatedRegistry as unknown as typeof FinalizationRegistry;

/** As if a thing were garbage: whatever was registered for that is notified. */
export function collect(target: WeakKey): void {
  const all = registered.get(target);
  registered.delete(target);
  for (const [registry, held] of all ?? []) registry.collected(held);
}

/** As if everything were garbage: nothing of a run is in use any more. */
export function collectAll(): void {
  for (const target of [...registered.keys()]) collect(target);
}

/** Forgets what earlier runs have left. */
export function forget(): void {
  registered.clear();
}
