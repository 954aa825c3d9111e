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

// Long work: its progress, and its page anew when it has ended.
const job = document.querySelector("[data-job]");

if (job !== null) {
  const source = new EventSource(job.dataset.job);
  source.onmessage = (event) => {
    const now = JSON.parse(event.data);
    document.querySelector("[data-words]").textContent = now.words;
    // Without a value the bar says that nobody knows how much there is.
    if (now.part === null) {
      job.removeAttribute("value");
    } else {
      [job.value, job.max] = now.part;
    }
    if (!now.running) {
      source.close();
      location.reload();
    }
  };
  // Too many streams are open: the page is loaded anew instead.
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) {
      setTimeout(() => location.reload(), 2000);
    }
  };
}
