/** A service config that can't be used: the message is the JSON path of what is wrong, and the reason. */
export class ServiceConfigError extends TypeError {
  override readonly name: string = "ServiceConfigError";
  /** Where in the JSON: `methodConfig[0].retryPolicy.maxAttempts`; empty for all of it. */
  readonly path: string;

  constructor(path: string, reason: string) {
    super(path === "" ? `service config: ${reason}` : `${path}: ${reason}`);
    this.path = path;
  }
}
