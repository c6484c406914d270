/** What the user wants to see. */
export class Shown {
  /** Only what has this text in it. */
  filter = "";
  /** Only what is not as it should be. */
  problems = false;
  /** Only this service: its id. */
  service: string | undefined;

  /** Whether rows of a service that say this are shown. */
  has(service: string, texts: readonly (string | null)[]): boolean {
    if (this.service !== undefined && service !== this.service) return false;
    return this.filter === "" || texts.some((text) => text?.toLowerCase().includes(this.filter) === true);
  }
}
