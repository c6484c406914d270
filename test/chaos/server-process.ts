import { type Child, type Exit, type Runtime, startScript } from "../support/process.ts";

/** A server in a process of its own, which can be killed, frozen and started again on the same port. */
export class ServerProcess {
  readonly runtime: Runtime;
  /** Where it writes down the calls that it processed; goes on over restarts. */
  readonly ledger: string;
  readonly #script: string;
  readonly #args: readonly string[];
  #port = 0;
  #child: Child | undefined;
  /** Whether it was asked to end. */
  #asked = false;

  /** `args` are those of the script beside `--ledger` and `--port`. */
  constructor(runtime: Runtime, script: string, ledger: string, args: readonly string[]) {
    this.runtime = runtime;
    this.ledger = ledger;
    this.#script = script;
    this.#args = args;
  }

  /** `127.0.0.1:port`. */
  get address(): string {
    return `127.0.0.1:${this.#port}`;
  }

  get pid(): number {
    if (this.#child === undefined) throw new Error("it was not started");
    return this.#child.pid;
  }

  /** Starts it, the first time on a free port; settles when it listens. */
  async start(): Promise<void> {
    this.#asked = false;
    const args = [...this.#args, "--ledger", this.ledger, "--port", String(this.#port)];
    const child = this.#child = startScript(this.runtime, this.#script, args);
    const [, port] = await child.line(/^listening (\d+)$/);
    this.#port = Number(port);
  }

  /** The first line of its output that matches. */
  async line(pattern: RegExp): Promise<RegExpMatchArray> {
    if (this.#child === undefined) throw new Error("it was not started");
    return await this.#child.line(pattern);
  }

  /** SIGKILL; settles when it is gone. What happens to its connections is up to the kernel. */
  async kill(): Promise<void> {
    await this.#child?.kill();
  }

  /** SIGTERM; settles when it has ended by itself, or by SIGKILL after `graceMs`. */
  async stop(graceMs: number): Promise<Exit | undefined> {
    this.#asked = true;
    return await this.#child?.stop(graceMs);
  }

  /** SIGSTOP: its connections stay open and nothing answers. */
  freeze(): void {
    this.#child?.signal("SIGSTOP");
  }

  /** SIGCONT. */
  thaw(): void {
    this.#child?.signal("SIGCONT");
  }

  /** Whether it was started and has not ended. */
  get running(): boolean {
    return this.#child !== undefined && this.#child.exit === undefined;
  }

  /** Whether the process ended by itself, which no scenario wants. */
  get crashed(): string | undefined {
    const exit = this.#child?.exit;
    if (exit === undefined || exit.signal === "SIGKILL" || (this.#asked && exit.code === 0)) return undefined;
    return `the ${this.runtime} server ended (code ${exit.code}, ${exit.signal}): ${
      this.#child?.lines.slice(-5).join("\n")
    }`;
  }
}
