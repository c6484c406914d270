// The page's script: it reads the program's events and shows them. It sends nothing.
import { CallsView } from "./calls-view.ts";
import { byId, setText } from "./dom.ts";
import { EndpointsView } from "./endpoints-view.ts";
import { EventsView } from "./events-view.ts";
import { count, plural, rate } from "./format.ts";
import { readEvents } from "./link.ts";
import { Model } from "./model.ts";
import { RegistryView } from "./registry-view.ts";
import { ServicesView } from "./services-view.ts";
import { Shown } from "./shown.ts";

const model = new Model();
const shown = new Shown();
const services = new ServicesView(model, (id) => {
  shown.service = id;
  show();
});
const endpoints = new EndpointsView(model);
const calls = new CallsView(model);
const events = new EventsView(model);
const registry = new RegistryView(model);

let paused = false, connected = false, wanted = false;

/** Draws at most once per frame, and not at all while nobody looks. */
function show(): void {
  if (wanted) return;
  wanted = true;
  requestAnimationFrame(() => {
    wanted = false;
    services.show();
    endpoints.show(shown);
    calls.show(shown);
    events.show(shown);
    registry.show();
    summary();
  });
}

function summary(): void {
  const { ready, total } = services.total;
  let calls = 0, errors = 0;
  for (const id of model.services.keys()) {
    calls += model.rateOf(id).rate;
    errors += model.errorsOf(id).wholeRate;
  }
  const parts = [
    total > 0 && `${count(ready)} of ${plural(total, "endpoint")} serve`,
    model.services.size > 0 && `${rate(calls)} calls/s`,
    model.services.size > 0 && `${rate(errors)} errors/s`,
  ];
  setText(byId("summary"), parts.filter((part) => part !== false).join(" · "));
  const programs = new Set([model.services, model.registrations, model.watches, model.servers]
    .flatMap((rows) => [...rows.values()].map(({ program }) => program)));
  document.body.classList.toggle("one-program", programs.size < 2);
  byId("nothing").hidden = model.services.size + model.registrations.size + model.watches.size + model.servers.size > 0;
  const title = total > ready ? `(${total - ready}) connect-lb` : "connect-lb";
  if (document.title !== title) document.title = title;
}

function showLink(): void {
  const link = byId("link");
  setText(link, !connected ? "not connected, trying again" : paused ? "paused" : "live");
  link.className = !connected ? "bad" : paused ? "off" : "good";
}

readEvents({
  state(state) {
    model.replace(state);
    if (!paused) show();
  },
  change(change) {
    model.change(change);
    if (!paused) show();
  },
  connected(on) {
    connected = on;
    showLink();
  },
});

byId("pause").addEventListener("click", ({ currentTarget }) => {
  paused = !paused;
  (currentTarget as HTMLElement).setAttribute("aria-pressed", `${paused}`);
  showLink();
  if (!paused) show();
});
byId<HTMLInputElement>("filter").addEventListener("input", ({ currentTarget }) => {
  shown.filter = (currentTarget as HTMLInputElement).value.trim().toLowerCase();
  show();
});
byId<HTMLInputElement>("problems").addEventListener("change", ({ currentTarget }) => {
  shown.problems = (currentTarget as HTMLInputElement).checked;
  show();
});
byId("controls").addEventListener("submit", (event) => event.preventDefault());
// As in many tools, "/" goes to the filter.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target instanceof HTMLInputElement) return;
  event.preventDefault();
  byId("filter").focus();
});
