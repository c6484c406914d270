// Clients in other languages that make calls as they are ordered to.
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ConnectError } from "@connectrpc/connect";
import { hasGo } from "../../support/go.ts";
import { grpcGo } from "../../support/grpc-go.ts";
import { pythonWithGrpcio, withoutGrpcio } from "../../support/grpcio.ts";

/** One call of the demo service. */
export interface Order {
  readonly kind: "unary" | "serverStream" | "clientStream" | "bidi";
  /** What each request says. */
  readonly data: string;
  /** How many requests a client's stream has; of a stream both ways, each waits for the answer to the one before. */
  readonly messages: number;
  readonly timeoutMs: number;
  /** Whether it waits while no server can be reached, rather than fail at once. Default: no. */
  readonly waitForReady?: boolean;
  readonly header?: Readonly<Record<string, string>>;
}

/** The languages of these clients. */
export const LANGUAGES = ["go", "python"] as const;
export type Language = (typeof LANGUAGES)[number];

/** Why there is no client in a language here; false if there is. */
export function withoutClient(language: Language): string | false {
  if (language === "python") return withoutGrpcio();
  return !hasGo() && "there is no Go to build the client with";
}

/** What a call in another language failed with: gRPC's code and text of its error. */
export class ForeignError extends ConnectError {}

interface Answer {
  readonly number: number;
  readonly code: number;
  readonly message: string;
  readonly values: readonly string[] | null;
}

/** A client that runs, in a process of its own. */
export class OrderedClient {
  readonly language: Language;
  readonly #child: ChildProcess;
  readonly #pending = new Map<number, (answer: Answer) => void>();
  #orders = 0;
  #ended = false;

  /** @throws Error if there is none in this language */
  constructor(language: Language) {
    this.language = language;
    const script = fileURLToPath(new URL("ordered.py", import.meta.url));
    const [command, ...args] = language === "go" ? [grpcGo("ordered")] : [pythonWithGrpcio(), script];
    this.#child = spawn(command!, args, { stdio: ["pipe", "pipe", "inherit"] });
    // A call ordered of a process that is gone fails below.
    this.#child.stdin!.on("error", () => {});
    this.#child.once("error", () => this.#gone());
    this.#child.once("close", () => this.#gone());
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      const answer = JSON.parse(line) as Answer;
      this.#pending.get(answer.number)?.(answer);
      this.#pending.delete(answer.number);
    });
  }

  /**
   * Makes a call, balanced by turns over these addresses; gives what came back.
   *
   * @throws ForeignError if it failed
   */
  async call(addresses: readonly string[], order: Order): Promise<readonly string[]> {
    const number = this.#orders++;
    const { code, message, values } = await new Promise<Answer>((resolve, reject) => {
      if (this.#ended) return reject(new Error(`the client in ${this.language} has ended`));
      this.#pending.set(number, resolve);
      const defaults = { waitForReady: false, header: {} };
      this.#child.stdin!.write(`${JSON.stringify({ ...defaults, ...order, number, addresses: addresses.join() })}\n`);
    });
    if (code !== 0) throw new ForeignError(message, code);
    return values ?? [];
  }

  /** Ends its process. */
  async close(): Promise<void> {
    if (this.#ended) return;
    const closed = new Promise<void>((resolve) => this.#child.once("close", () => resolve()));
    this.#child.kill("SIGKILL");
    await closed;
  }

  #gone(): void {
    this.#ended = true;
    for (const [number, answered] of this.#pending) {
      answered({ number, code: 13, message: `the client in ${this.language} has ended`, values: [] });
    }
    this.#pending.clear();
  }
}
