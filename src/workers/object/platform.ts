// What the platform gives a Durable Object and those who call it: only what is used, so that no types of the platform
// are needed.
import { quoted } from "../../option.ts";

/** A Durable Object's storage. */
export interface ObjectStorage {
  put(key: string, value: unknown): Promise<void>;
  delete(key: string): Promise<boolean>;
  list<T>(options: { prefix: string }): Promise<Map<string, T>>;
  /** Has `alarm` called at this time, in milliseconds since 1970. */
  setAlarm(atMs: number): Promise<void>;
}

/** What a Durable Object is constructed with. */
export interface ObjectState {
  readonly storage: ObjectStorage;
}

/** What a Worker calls a Durable Object by. */
export interface ObjectStub {
  fetch(url: string, init: RequestInit): Promise<Response>;
}

/** A Worker's binding to a class of Durable Objects. */
export interface ObjectNamespace<Id = unknown> {
  idFromName(name: string): Id;
  get(id: Id): ObjectStub;
}

/** The object of this name. A new stub each time: one that failed may stay broken. */
export function objectNamed<Id>(namespace: ObjectNamespace<Id>, name: string): ObjectStub {
  return namespace.get(namespace.idFromName(name));
}

/** @throws TypeError for anything but a binding: undefined, if none of this name is configured */
export function checkNamespace(
  taker: string,
  namespace: { readonly [Name in keyof ObjectNamespace]?: unknown } | null | undefined,
): void {
  if (typeof namespace?.idFromName === "function" && typeof namespace.get === "function") return;
  throw new TypeError(
    `${taker} takes the binding of a Durable Object first, such as env.BALANCER, not ${quoted(namespace)}: ` +
      "is it in durable_objects.bindings of the Worker's configuration?",
  );
}
