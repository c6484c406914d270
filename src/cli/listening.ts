import { CliError } from "./exit.ts";

/** Whether only this machine reaches a host. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

/** The error for an address that can't be listened on. */
export function cantListen(where: string, error: NodeJS.ErrnoException, ...next: readonly string[]): CliError {
  if (error.code === "EADDRINUSE") return new CliError(`${where} is taken`, { next });
  return new CliError(`can't listen on ${where}: ${error.message}`);
}
