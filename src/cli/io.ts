/**
 * The signals that a command hears of. SIGPIPE stands for an output that nobody reads any more, as after `| head`,
 * which Node, Bun and Deno report as an error of the stream.
 */
export type SignalName = "SIGINT" | "SIGTERM" | "SIGHUP" | "SIGPIPE";

/** One of a command's outputs. */
export interface Sink {
  write(text: string): void;
  readonly isTTY: boolean;
  /** The width of the terminal in characters; undefined if it is not a terminal. */
  readonly columns: number | undefined;
  /** Its height in lines. */
  readonly rows?: number | undefined;
}

/** What a command may use of its process, so that tests can run it without one. */
export interface Io {
  /** For data. */
  readonly stdout: Sink;
  /** For everything said about the data: progress, warnings, errors. */
  readonly stderr: Sink;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** All of standard input. */
  readStdin(): Promise<string>;
  /**
   * Calls back for each signal, which then has no other effect, until the function that it returns is called. Without
   * a listener, a signal ends the process.
   */
  onSignal(listener: (name: SignalName) => void): () => void;
}
