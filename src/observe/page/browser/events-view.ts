import type { EventRow } from "../state.ts";
import { byId, element, setText } from "./dom.ts";
import { timeOfDay } from "./format.ts";
import type { Model, Row } from "./model.ts";
import type { Shown } from "./shown.ts";

/** How long nothing more is read out after something was. */
const QUIET_MS = 5_000;

/** What happened, the newest first. What is bad is read out to those who don't see the page. */
export class EventsView {
  readonly #model: Model;
  readonly #list: HTMLOListElement = element("ol", { class: "scroll", tabindex: "0", "aria-label": "Events" });
  readonly #hint: HTMLElement = element("p", { class: "hint" }, "Nothing has happened since this page was opened.");
  #drawn = "";
  #announced: number | undefined;
  #quietUntilMs = 0;

  constructor(model: Model) {
    this.#model = model;
    byId("events").append(this.#hint, this.#list);
  }

  show(shown: Shown): void {
    const { events, services } = this.#model;
    const service = shown.service === undefined ? undefined : services.get(shown.service)?.target;
    const rows = [...events.values()].reverse().filter((row) =>
      (service === undefined || row.service === service) && (!shown.problems || row.level === "bad") &&
      (shown.filter === "" || `${row.service} ${row.subject} ${row.text}`.toLowerCase().includes(shown.filter))
    );
    this.#announce();
    this.#hint.hidden = rows.length > 0;
    this.#list.hidden = rows.length === 0;
    const key = rows.map(({ id, times }) => `${id} ${times}`).join();
    if (key === this.#drawn) return;
    this.#drawn = key;
    this.#list.replaceChildren(...rows.map((row) => this.#line(row)));
  }

  #line({ atMs, service, subject, text, level, times }: Row<EventRow>): HTMLLIElement {
    const what = element("span", { class: "what" }, `${text}${times > 1 ? ` (${times} times)` : ""}`);
    const about = element("span", { class: "about" }, subject === "" ? service : subject);
    if (subject !== "") about.title = service;
    return element(
      "li",
      { class: level },
      element("time", {}, timeOfDay(Date.now() - (this.#model.nowMs - atMs))),
      about,
      what,
    );
  }

  #announce(): void {
    const bad = [...this.#model.events.values()].filter(({ level }) => level === "bad");
    const newestMs = bad.at(-1)?.atMs ?? -Infinity;
    const { nowMs } = this.#model;
    if (this.#announced === undefined || newestMs <= this.#announced) {
      this.#announced ??= newestMs;
      return;
    }
    if (nowMs < this.#quietUntilMs) return;
    const news = bad.filter(({ atMs }) => atMs > this.#announced!);
    const last = news.at(-1)!;
    const others = news.length > 1 ? `, and ${news.length - 1} more` : "";
    setText(byId("announcer"), `${last.subject === "" ? last.service : last.subject}: ${last.text}${others}`);
    this.#announced = newestMs;
    this.#quietUntilMs = nowMs + QUIET_MS;
  }
}
