"use strict";
// What a page can do besides being read: it follows what happens without being loaded again, and asks
// while one types. All that is shown comes from the server, whose pages are whole without this.

(() => {
  const main = document.querySelector("main");
  const sign = document.querySelector(".live");
  const form = document.querySelector("form.filter");

  // ---- Showing what the server shows by now ----

  const here = () => location.pathname + location.search;
  let shown = here();
  let loading = null;
  let again = false;

  /** Takes over another page of ours, or this one as it is by now. */
  function load(url, push) {
    if (push && new URL(url, location.href).pathname !== location.pathname) {
      // Links are relative: they would lead elsewhere from there.
      location.assign(url);
      return;
    }
    if (loading) {
      if (!push) {
        again = true;
        return;
      }
      loading.abort();
    }
    const request = new XMLHttpRequest();
    loading = request;
    request.open("GET", url);
    request.responseType = "document";
    request.timeout = 30000;
    request.onloadend = () => {
      if (loading !== request) return;
      loading = null;
      if (request.status === 401) {
        location.reload();
        return;
      }
      const fresh = request.responseXML;
      if (request.status === 200 && fresh && fresh.querySelector("main")) {
        if (push) history.pushState(null, "", url);
        shown = here();
        take(fresh);
      } else if (push) {
        location.assign(url);
        return;
      }
      if (again) {
        again = false;
        soon(1000);
      }
    };
    request.send();
  }

  /** Makes this page like the other one, touching nothing that is the same. */
  function take(fresh) {
    const focused = document.activeElement;
    const key = keyOf(focused);
    const theirs = fresh.querySelector("main");
    localise(fresh);
    document.title = fresh.title;
    become(main, theirs);
    for (const selector of ["#as-of", "header nav"]) {
      const [old, other] = [document.querySelector(selector), fresh.querySelector(selector)];
      if (old && other) become(old, other);
    }
    main.toggleAttribute("data-unfinished", theirs.hasAttribute("data-unfinished"));
    if (!theirs.dataset.live) rest();
    if (document.activeElement !== focused && key) {
      const back = Array.from(document.querySelectorAll("a, button, summary, input, select"));
      const found = back.find((element) => keyOf(element) === key);
      if (found) found.focus({ preventScroll: true });
    }
    if (main.hasAttribute("data-unfinished")) soon(1500);
  }

  /** What a focused element is known by, should it be made anew. */
  function keyOf(element) {
    if (!element || element === document.body) return null;
    return element.id || element.getAttribute("href") || element.textContent;
  }

  /** Makes an element like another. What is of the same kind is kept: somebody may be pointing at it. */
  function become(old, other) {
    // A form says what somebody asked for, and somebody may be typing.
    if (old === form || old.isEqualNode(other)) return;
    if (old !== main) copyAttributes(old, other);
    const keyed = new Map();
    const others = [];
    for (const node of old.childNodes) {
      if (node.id) keyed.set(node.id, node);
      else others.push(node);
    }
    const nodes = Array.from(other.childNodes, (node) => {
      const at = node.id ? -1 : others.findIndex((one) => one.nodeName === node.nodeName);
      const same = node.id ? keyed.get(node.id) : others[at];
      if (!same || same.nodeName !== node.nodeName) return document.importNode(node, true);
      // Those that were passed over are gone.
      others.splice(0, at + 1);
      if (node.nodeType === Node.ELEMENT_NODE) become(same, node);
      else if (same.data !== node.data) same.data = node.data;
      return same;
    });
    // One that is in its place already is not moved: moving takes the focus away.
    const wanted = new Set(nodes);
    for (const node of Array.from(old.childNodes)) {
      if (!wanted.has(node)) node.remove();
    }
    nodes.forEach((node, i) => {
      if (old.childNodes[i] !== node) old.insertBefore(node, old.childNodes[i] || null);
    });
  }

  function copyAttributes(old, other) {
    for (const name of old.getAttributeNames()) {
      // What somebody opened stays open.
      if (!other.hasAttribute(name) && name !== "open") old.removeAttribute(name);
    }
    for (const name of other.getAttributeNames()) {
      const value = other.getAttribute(name);
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
  }

  // ---- Following what happens ----

  let stream = null;
  let timer = null;
  let retry = null;
  let wait = 1000;

  /** Looks again once, before long, however much happens. */
  function soon(ms) {
    if (timer || document.hidden) return;
    timer = setTimeout(() => {
      timer = null;
      load(location.href, false);
    }, ms);
  }

  function say(words, lost) {
    if (!sign) return;
    sign.hidden = false;
    sign.classList.toggle("lost", lost);
    const place = sign.querySelector(".words");
    if (place.textContent !== words) place.textContent = words;
  }

  function follow() {
    const url = main && main.dataset.live;
    if (!url || stream || document.hidden) return;
    clearTimeout(retry);
    stream = new EventSource(url);
    stream.addEventListener("ready", () => {
      wait = 1000;
      say("Live", false);
      // What happened while nobody listened.
      soon(500);
    });
    stream.addEventListener("change", () => soon(700));
    stream.addEventListener("lagged", () => soon(700));
    stream.onerror = () => {
      say("Not live: trying to connect again", true);
      leave();
      // Where one has to log in again, this leads there.
      soon(1000);
      wait = Math.min(wait * 2, 30000);
      retry = setTimeout(follow, wait);
    };
  }

  /** Nothing is going to happen any more. */
  function rest() {
    delete main.dataset.live;
    clearTimeout(retry);
    leave();
    if (sign) sign.hidden = true;
  }

  function leave() {
    if (stream) stream.close();
    stream = null;
  }

  // A browser has few connections to a server, and nobody reads a page that is not to be seen.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      clearTimeout(retry);
      leave();
    } else {
      follow();
    }
  });
  addEventListener("pagehide", leave);
  addEventListener("pageshow", (event) => {
    if (event.persisted) follow();
  });
  // Durations grow while nothing happens.
  setInterval(() => soon(0), 60000);

  // ---- Asking while one types ----

  if (form) {
    let typing = null;
    const ask = () => {
      const asked = new URLSearchParams(new FormData(form));
      if (!asked.get("q")) asked.delete("q");
      load(form.action.split("?")[0] + "?" + asked, true);
    };
    form.addEventListener("input", (event) => {
      clearTimeout(typing);
      typing = setTimeout(ask, event.target.type === "search" ? 300 : 0);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(typing);
      ask();
    });
    // A jump within the page is one of these, too.
    addEventListener("popstate", () => {
      if (here() !== shown) location.reload();
    });
  }

  /** Moments are in UTC; what that is on one's own clock is told to whoever points at it. */
  function localise(where) {
    for (const time of where.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) time.title = at.toLocaleString();
    }
  }

  localise(document);
  if (main && main.hasAttribute("data-unfinished")) soon(1500);
  follow();
})();
