import type { RegistryEvent } from "../../registry/event.ts";
import type { EtcdUser } from "../etcd-user.ts";
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

/** What is talked about. */
export interface TalkOptions {
  /** Where etcd is, and which option says so. */
  readonly where: string;
  readonly user: Pick<EtcdUser, "name" | "from"> | undefined;
  readonly service: string;
  readonly say: (text: string) => void;
}

/** Turns a registry's events into what a user should know of a registration, without repeating it. */
export class RegistrationTalk {
  readonly #about: TalkOptions;
  #last: string | undefined;

  constructor(about: TalkOptions) {
    this.#about = about;
  }

  readonly onEvent = (event: RegistryEvent): void => {
    const text = textOf(event, this.#about);
    // What fails is tried again every two seconds at most.
    if (text === undefined || text === this.#last) return;
    this.#last = text;
    this.#about.say(text);
  };
}

function textOf(event: RegistryEvent, { where, user, service }: TalkOptions): string | undefined {
  if (event.type === "registered") {
    return `${event.again ? "registered again" : "registered"}: ${event.service} at ${event.address}, as ${event.key}`;
  }
  if (event.type === "registration-failed") return `not registered in ${where}, will try again: ${event.cause.message}`;
  if (event.type === "auth-refused") {
    const who = user === undefined
      ? "no user is given: set ETCDCTL_USER=name:password"
      : `the user is ${user.name} (${user.from})`;
    return `${where} refused, will try again: ${event.cause.message}; ${who}; connect-lb doctor ${service} looks closer`;
  }
  if (event.type === "key-taken") {
    return `not registered: ${event.service} at ${event.address} is registered by another program: ${event.cause.message}. ` +
      "Stop the other one, or replace its entry with --take-over";
  }
  if (event.type === "lease-lost" || event.type === "key-missing") {
    return `the registration was lost: ${event.cause.message}`;
  }
  if (event.type === "registration-suspect") {
    return `etcd hasn't answered for as long as the registration lasts: ${event.cause.message}`;
  }
  return undefined;
}
