// Keeps numbers current, and says when a list is not. Everything works without it.
"use strict";

const live = document.querySelector("[data-live]");
// What the list of this page depends on, as the page was made.
let first = null;

function show(numbers) {
  for (const place of document.querySelectorAll("[data-number]")) {
    const text = numbers[place.dataset.number];
    if (text !== undefined && place.textContent !== text) {
      place.textContent = text;
    }
  }
  const seen = live.dataset.watch.split(" ").map((name) => numbers[name]).join(" ");
  first ??= seen;
  document.getElementById("stale").hidden = seen === first;
}

if (live !== null) {
  const source = new EventSource(live.dataset.live);
  source.onmessage = (event) => show(JSON.parse(event.data));
}
