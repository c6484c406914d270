import type { Health } from "./connection.ts";

/** What health checks say about a connection, and so whether calls may go to it. */
export class HealthGate {
  health: Health = "serving";
  /** In a panic health is ignored. */
  #ignored = false;
  /** Up to how many attempts, of all that were ever begun, are allowed; undefined: any number. */
  #allowed: number | undefined;
  /** Whether its health keeps calls off it: a field, since every pick reads it. */
  held = false;
  /** Whether health checks hear of every attempt on it, or only of a sample. */
  inQuestion = false;

  /** Returns whether that changed. */
  setHealth(health: Health): boolean {
    if (this.health === health) return false;
    this.health = health;
    this.#update();
    return true;
  }

  /** Returns whether that changed. */
  setIgnored(ignored: boolean): boolean {
    if (this.#ignored === ignored) return false;
    this.#ignored = ignored;
    this.#update();
    return true;
  }

  /** Allows so many more attempts than were allowed, or have begun; Infinity: any number. */
  allow(attempts: number, begun: number): void {
    this.#allowed = attempts === Infinity ? undefined : (this.#allowed ?? begun) + attempts;
    this.#update();
  }

  get restricted(): boolean {
    return this.#allowed !== undefined;
  }

  /** Whether another attempt may begin after so many, as far as that was restricted. */
  admits(begun: number): boolean {
    return this.#allowed === undefined || begun < this.#allowed || this.#ignored;
  }

  #update(): void {
    this.held = this.health !== "serving" && !this.#ignored;
    this.inQuestion = this.health !== "serving" || this.#allowed !== undefined;
  }
}
