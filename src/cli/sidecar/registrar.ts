import type { RegistryEvent } from "../../registry/event.ts";
import type { RegisterOptions, Registration, Registry } from "../../registry/registry.ts";

/** Registers one server in a registry, or not, as its health has it. */
export class Registrar {
  readonly #registry: Registry;
  readonly #options: RegisterOptions;
  #registration: Registration | undefined;
  #deregistering: Promise<void> = Promise.resolve();
  #ended = false;

  constructor(registry: Registry, options: RegisterOptions) {
    this.#registry = registry;
    this.#options = options;
  }

  /** Whether the server is registered, or is being registered. */
  get registered(): boolean {
    return this.#registration !== undefined;
  }

  /** Registers the server, and keeps it registered. Does nothing if it is already, or after `end`. */
  register(): void {
    if (this.#ended) return;
    this.#registration ??= this.#registry.register(this.#options);
  }

  /** Removes the server's entry, within 2 s. Never rejects. */
  async deregister(): Promise<void> {
    const registration = this.#registration;
    this.#registration = undefined;
    if (registration !== undefined) this.#deregistering = registration.close();
    await this.#deregistering;
  }

  /** Removes the entry for good. Returns whether there was one. */
  async end(): Promise<boolean> {
    const { registered } = this;
    this.#ended = true;
    await this.deregister();
    return registered;
  }
}

/** Turns a registry's events into what a user should know of a registration, without repeating it. */
export class RegistrationTalk {
  readonly #where: string;
  readonly #say: (text: string) => void;
  #last: string | undefined;

  /** @param where where etcd is, and which option says so */
  constructor(where: string, say: (text: string) => void) {
    this.#where = where;
    this.#say = say;
  }

  readonly onEvent = (event: RegistryEvent): void => {
    const text = textOf(event, this.#where);
    // What fails is tried again every two seconds at most.
    if (text === undefined || text === this.#last) return;
    this.#last = text;
    this.#say(text);
  };
}

function textOf(event: RegistryEvent, where: string): string | undefined {
  if (event.type === "registered") {
    return `${event.again ? "registered again" : "registered"}: ${event.service} at ${event.address}, as ${event.key}`;
  }
  if (event.type === "registration-failed") return `not registered in ${where}, will try again: ${event.cause.message}`;
  if (event.type === "auth-refused") return `${where} refused, will try again: ${event.cause.message}`;
  if (event.type === "lease-lost" || event.type === "key-missing" || event.type === "key-taken") {
    return `the registration was lost: ${event.cause.message}`;
  }
  if (event.type === "registration-suspect") {
    return `etcd hasn't answered for as long as the registration lasts: ${event.cause.message}`;
  }
  return undefined;
}
