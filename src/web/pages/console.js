// Keeps the numbers of the overview current. Everything works without it.
"use strict";

const live = document.querySelector("[data-live]");

function show(numbers) {
  for (const place of document.querySelectorAll("[data-number]")) {
    const text = numbers[place.dataset.number];
    if (text !== undefined && place.textContent !== text) {
      place.textContent = text;
    }
  }
  // What is not as it should be is written by the server.
  document.getElementById("stale").hidden = numbers.findings === live.dataset.findings;
}

if (live !== null) {
  const source = new EventSource(live.dataset.live);
  source.onmessage = (event) => show(JSON.parse(event.data));
}
