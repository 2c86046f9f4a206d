"use strict";
// Progressive enhancement: live updates, and search results while typing. The server renders all content, and
// pages work without this script.

(() => {
  const main = document.querySelector("main");
  const liveStatus = document.querySelector(".live");
  const form = document.querySelector("form.filter");

  // ---- Updating the page ----

  const currentPath = () => location.pathname + location.search;
  let shownPath = currentPath();
  let activeRequest = null;
  let updateAgain = false;

  /** Loads a page and updates the document to match it. `push` adds a history entry. */
  function load(url, push) {
    if (push && new URL(url, location.href).pathname !== location.pathname) {
      // The relative links of the document would break under another path.
      location.assign(url);
      return;
    }
    if (activeRequest) {
      if (!push) {
        updateAgain = true;
        return;
      }
      activeRequest.abort();
    }
    const request = new XMLHttpRequest();
    activeRequest = request;
    request.open("GET", url);
    request.responseType = "document";
    request.timeout = 30000;
    request.onloadend = () => {
      if (activeRequest !== request) return;
      activeRequest = null;
      if (request.status === 401) {
        // Show the login form.
        location.reload();
        return;
      }
      const fresh = request.responseXML;
      if (request.status === 200 && fresh && fresh.querySelector("main")) {
        if (push) history.pushState(null, "", url);
        shownPath = currentPath();
        applyDocument(fresh);
      } else if (push) {
        location.assign(url);
        return;
      }
      if (updateAgain) {
        updateAgain = false;
        scheduleUpdate(1000);
      }
    };
    request.send();
  }

  /** Updates this document to match another one. Unchanged elements are not touched. */
  function applyDocument(fresh) {
    const focused = document.activeElement;
    const key = focusKey(focused);
    const freshMain = fresh.querySelector("main");
    addLocalTimes(fresh);
    document.title = fresh.title;
    morph(main, freshMain);
    for (const selector of ["#as-of", "header nav"]) {
      const [element, freshElement] = [document.querySelector(selector), fresh.querySelector(selector)];
      if (element && freshElement) morph(element, freshElement);
    }
    main.toggleAttribute("data-incomplete", freshMain.hasAttribute("data-incomplete"));
    if (!freshMain.dataset.live) stopLiveUpdates();
    if (document.activeElement !== focused && key) {
      const focusable = Array.from(document.querySelectorAll("a, button, summary, input, select"));
      const replacement = focusable.find((element) => focusKey(element) === key);
      if (replacement) replacement.focus({ preventScroll: true });
    }
    if (main.hasAttribute("data-incomplete")) scheduleUpdate(1500);
  }

  /** Identifies a focused element, to find it again if it was replaced. */
  function focusKey(element) {
    if (!element || element === document.body) return null;
    return element.id || element.getAttribute("href") || element.textContent;
  }

  /** Changes an element to match another one. Child elements are kept where possible, to preserve focus, hover
   *  and selection. */
  function morph(element, fresh) {
    // The form contains the input of the user.
    if (element === form || element.isEqualNode(fresh)) return;
    if (element !== main) copyAttributes(element, fresh);
    const byId = new Map();
    const withoutId = [];
    for (const node of element.childNodes) {
      if (node.id) byId.set(node.id, node);
      else withoutId.push(node);
    }
    const nodes = Array.from(fresh.childNodes, (node) => {
      const index = node.id ? -1 : withoutId.findIndex((other) => other.nodeName === node.nodeName);
      const match = node.id ? byId.get(node.id) : withoutId[index];
      if (!match || match.nodeName !== node.nodeName) return document.importNode(node, true);
      // Nodes before the match are not reused, so that the order is preserved.
      withoutId.splice(0, index + 1);
      if (node.nodeType === Node.ELEMENT_NODE) morph(match, node);
      else if (match.data !== node.data) match.data = node.data;
      return match;
    });
    const kept = new Set(nodes);
    for (const node of Array.from(element.childNodes)) {
      if (!kept.has(node)) node.remove();
    }
    // Move only misplaced nodes: moving an element removes its focus.
    nodes.forEach((node, i) => {
      if (element.childNodes[i] !== node) element.insertBefore(node, element.childNodes[i] || null);
    });
  }

  function copyAttributes(element, fresh) {
    for (const name of element.getAttributeNames()) {
      // Keep `<details>` open that the user has opened.
      if (!fresh.hasAttribute(name) && name !== "open") element.removeAttribute(name);
    }
    for (const name of fresh.getAttributeNames()) {
      const value = fresh.getAttribute(name);
      if (element.getAttribute(name) !== value) element.setAttribute(name, value);
    }
  }

  // ---- Live updates ----

  let stream = null;
  let updateTimer = null;
  let reconnectTimer = null;
  let reconnectDelay = 1000;

  /** Updates the page after a delay. Calls during the delay are combined. */
  function scheduleUpdate(ms) {
    if (updateTimer || document.hidden) return;
    updateTimer = setTimeout(() => {
      updateTimer = null;
      load(location.href, false);
    }, ms);
  }

  function showLiveStatus(text, isDisconnected) {
    if (!liveStatus) return;
    liveStatus.hidden = false;
    liveStatus.classList.toggle("disconnected", isDisconnected);
    const label = liveStatus.querySelector(".status-text");
    if (label.textContent !== text) label.textContent = text;
  }

  function connect() {
    const url = main && main.dataset.live;
    if (!url || stream || document.hidden) return;
    clearTimeout(reconnectTimer);
    stream = new EventSource(url);
    stream.addEventListener("ready", () => {
      reconnectDelay = 1000;
      showLiveStatus("Live", false);
      // Show changes that occurred before the stream was open.
      scheduleUpdate(500);
    });
    stream.addEventListener("change", () => scheduleUpdate(700));
    stream.addEventListener("lagged", () => scheduleUpdate(700));
    stream.onerror = () => {
      showLiveStatus("Not live, reconnecting", true);
      disconnect();
      // If the session has expired, this leads to the login form.
      scheduleUpdate(1000);
      reconnectDelay = Math.min(reconnectDelay * 2, 30000);
      reconnectTimer = setTimeout(connect, reconnectDelay);
    };
  }

  /** Stops live updates: the server sends no more changes. */
  function stopLiveUpdates() {
    delete main.dataset.live;
    clearTimeout(reconnectTimer);
    disconnect();
    if (liveStatus) liveStatus.hidden = true;
  }

  function disconnect() {
    if (stream) stream.close();
    stream = null;
  }

  // Browsers limit the connections to one server, and hidden pages need no updates.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      clearTimeout(reconnectTimer);
      disconnect();
    } else {
      connect();
    }
  });
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (event) => {
    if (event.persisted) connect();
  });
  // Displayed durations grow even if nothing changes.
  setInterval(() => scheduleUpdate(0), 60000);

  // ---- Search while typing ----

  if (form) {
    let inputTimer = null;
    const submit = () => {
      const query = new URLSearchParams(new FormData(form));
      if (!query.get("q")) query.delete("q");
      load(form.action.split("?")[0] + "?" + query, true);
    };
    form.addEventListener("input", (event) => {
      clearTimeout(inputTimer);
      inputTimer = setTimeout(submit, event.target.type === "search" ? 300 : 0);
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      clearTimeout(inputTimer);
      submit();
    });
    // A jump to a fragment fires `popstate` as well, without a change of path.
    addEventListener("popstate", () => {
      if (currentPath() !== shownPath) location.reload();
    });
  }

  /** Adds the local time as tooltip. Displayed times are in UTC. */
  function addLocalTimes(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) time.title = at.toLocaleString();
    }
  }

  addLocalTimes(document);
  if (main && main.hasAttribute("data-incomplete")) scheduleUpdate(1500);
  connect();
})();
