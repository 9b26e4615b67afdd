"use strict";
// Asks for state and picture, one answer at a time, and shows them. A hidden page asks for nothing.
(() => {
  const GROUPS = [
    ["Brows", ["browDown*", "browInnerUp", "browOuterUp*"]],
    ["Eyes", ["eyeBlink*", "eyeLookUp*", "eyeLookDown*", "eyeLookIn*", "eyeLookOut*", "eyeSquint*", "eyeWide*"]],
    ["Jaw", ["jawOpen", "jawForward", "jaw*"]],
    ["Cheeks, nose, tongue", ["cheekPuff", "cheekSquint*", "noseSneer*", "tongueOut"]],
    [
      "Mouth",
      [
        "mouthSmile*",
        "mouthFrown*",
        "mouthClose",
        "mouthFunnel",
        "mouthPucker",
        "mouth*",
        "mouthStretch*",
        "mouthDimple*",
        "mouthPress*",
        "mouthUpperUp*",
        "mouthLowerDown*",
        "mouthRollUpper",
        "mouthRollLower",
        "mouthShrugUpper",
        "mouthShrugLower",
      ],
    ],
  ];
  const COLUMNS = [
      [0, 1, 3],
      [2, 4],
    ],
    RETRY_MS = 1000,
    STALE_MS = 1000;
  const $ = (id) => document.getElementById(id);
  const key = `token=${encodeURIComponent(new URLSearchParams(location.search).get("token") || "")}`;
  const ask = (path, after) => fetch(`${path}?${key}&after=${after}`, { cache: "no-store" });
  const pause = (ms) => new Promise((done) => setTimeout(done, ms));
  const seenAgain = () =>
    new Promise((done) =>
      document.hidden ? document.addEventListener("visibilitychange", done, { once: true }) : done(),
    );
  const make = (tag, className, parent, text = "") => {
    const element = document.createElement(tag);
    element.className = className;
    element.textContent = text;
    parent.append(element);
    return element;
  };

  // ---- Units ----

  const bars = {}; // name -> {fill, value}
  function bar(name, parent, value, side) {
    const track = make("div", `track ${side}`, parent);
    track.dataset.unit = name;
    bars[name] = { fill: make("div", "fill", track), value, track };
  }
  for (const column of COLUMNS) {
    const place = make("div", "column", $("groups"));
    for (const [title, names] of column.map((index) => GROUPS[index])) {
      const group = make("div", "group", place);
      make("h2", "", group, title);
      for (const name of names) {
        const paired = name.endsWith("*"),
          stem = name.replace("*", "");
        const unit = make("div", paired ? "unit" : "unit single", group),
          line = make("div", "name", unit),
          row = make("div", "bars", unit);
        const right = make("span", "value", line);
        make("span", "", line, stem.length < 6 ? `${stem} to a side` : stem);
        const left = make("span", "value", line);
        if (paired) bar(`${stem}Right`, row, right, "right");
        bar(paired ? `${stem}Left` : stem, row, left, "left");
      }
    }
  }
  // Bars from 0 to the value of each unit, or those of a calibration from its rest to its end.
  function showUnits(units, ranges = null) {
    for (const name in bars) {
      const { fill, value, track } = bars[name];
      const [rest, top] = ranges ? ranges[name] : [0, units[name] || 0];
      const percent = Math.round(100 * (top - rest));
      fill.style.width = `${percent}%`;
      fill.style[track.classList.contains("right") ? "right" : "left"] = `${100 * rest}%`;
      value.textContent = percent || "";
      track.dataset.value = percent;
    }
  }

  // ---- State ----

  const bust = new Head.Bust($("head"));
  let chosen = null,
    labelled = "",
    tabs = "",
    ended = false;
  const degrees = (x) => `${Math.round(x) < 0 ? "−" : ""}${Math.abs(Math.round(x))}°`;
  const text = (id, value, className) => {
    $(id).textContent = value;
    if (className !== undefined) $(id).className = className;
  };

  function statusOf(state, actor) {
    if (state.dialogue?.phase === "ended") return ["Ended", ""];
    if (!state.count) return ["Waiting for the first frame", ""];
    if (state.silent) return ["Camera lost", "lost"];
    if (state.source.live && state.age_ms > STALE_MS) return ["No new frame", "lost"];
    if (!actor) return ["No face", "warn"];
    if (actor.state === "held") return ["Face lost: held", "warn"];
    if (actor.state === "easing") return ["Face lost: easing", "warn"];
    return [state.source.live ? "Live" : "Reading the file", "live"];
  }

  function show(state) {
    const actor = state.actors.find((one) => one.actor === chosen) || state.actors[0] || null;
    const [words, kind] = statusOf(state, actor);
    text("status", words, `pill ${kind}`);
    document.body.classList.toggle("stale", kind === "lost");
    document.body.classList.remove("away");
    document.body.classList.toggle("faded", !actor || actor.state !== "tracked");
    text("source", state.source.live ? state.source.name : state.source.name.split(/[\\/]/).pop());
    $("source").title = state.source.name;
    text("age", state.age_ms === null ? "–" : `${Math.round(state.age_ms)} ms`, state.age_ms > 200 ? "warn" : "");
    text("fps", state.fps === null ? "–" : state.fps.toFixed(1));
    text("dropped", state.dropped, state.dropped ? "warn" : "");
    text("losses", state.losses, state.losses ? "lost" : "");
    text("frame", state.frame === null ? "–" : state.frame + (state.source.total ? ` of ${state.source.total}` : ""));
    const { family, version, digest, tracking_version, tracking_digest } = state.model;
    const tracking = tracking_digest && ["tracking", tracking_version && `v${tracking_version}`, tracking_digest];
    const models = [[family, version && `v${version}`, digest], tracking].filter(Boolean);
    text("model", models.map((model) => model.filter(Boolean).join(" · ")).join(", "));
    text("model-note", state.model_note);
    $("model-note").hidden = !state.model_note;
    const calibrated = actor ? actor.calibrated && actor.performer : state.calibration;
    const missing = actor && actor.performer ? `${actor.performer}: not calibrated` : "not calibrated";
    text("calibration", calibrated ? `calibrated: ${calibrated}` : missing, `pill ${calibrated ? "live" : "warn"}`);
    Calibration.show(state.dialogue);
    showActors(state.actors, actor);
    showActor(actor);
    if (state.dialogue?.ranges) showUnits({}, state.dialogue.ranges);
  }

  function showActors(actors, actor) {
    const names = actors.map((one) => one.performer || `Actor ${one.actor}`);
    $("actors").hidden = actors.length < 2;
    const key = actors.map((one) => `${one.actor} ${one.performer}`).join();
    if (key !== tabs) {
      tabs = key;
      $("actors").replaceChildren();
      actors.forEach((one, index) => {
        make("button", "", $("actors"), names[index]).onclick = () => {
          chosen = one.actor;
        };
      });
    }
    actors.forEach((one, index) => $("actors").children[index].setAttribute("aria-pressed", one === actor));
  }

  function showActor(actor) {
    showUnits(actor ? actor.units : {});
    if (!document.body.classList.contains("calibrating"))
      bust.draw(
        actor ? actor.units : {},
        actor && actor.head,
        actor && actor.gaze_deg,
        !actor || actor.state !== "tracked",
      );
    for (const axis of ["yaw", "pitch", "roll"]) text(axis, actor ? degrees(actor.head[`${axis}_deg`]) : "–");
    for (const eye of ["left", "right"]) text(`gaze-${eye}`, actor ? actor.gaze_deg[eye].map(degrees).join(", ") : "–");
    showExpression(actor && actor.expression);
  }

  function showExpression(expression) {
    text("label", expression ? expression.label : "–");
    if (!expression) {
      for (const row of $("labels").children) {
        row.className = "row";
        row.children[1].firstChild.style.width = 0;
        row.children[2].textContent = "";
      }
      return;
    }
    const names = Object.keys(expression.probabilities);
    if (names.join() !== labelled) {
      labelled = names.join();
      $("labels").replaceChildren();
      for (const name of names) {
        const row = make("div", "row", $("labels"));
        make("span", "", row, name);
        make("div", "fill", make("div", "track", row));
        make("span", "value", row);
      }
    }
    names.forEach((name, index) => {
      const row = $("labels").children[index],
        share = expression.probabilities[name];
      row.className = name === expression.label ? "row best" : "row";
      row.children[1].firstChild.style.width = `${100 * share}%`;
      row.children[2].textContent = `${Math.round(100 * share)} %`;
    });
  }

  for (const button of document.querySelectorAll("[data-choice]"))
    button.onclick = () => fetch(`answer?${key}&choice=${button.dataset.choice}`, { method: "POST" }).catch(() => {});

  function showRefusal(words) {
    text("status", words, "pill lost");
    document.body.classList.add("stale", "away");
  }

  async function follow() {
    let after = -1;
    while (!ended) {
      await seenAgain();
      try {
        const answer = await ask("state", after);
        if (!answer.ok) throw new Error(answer.status === 403 ? await answer.text() : "");
        const state = await answer.json();
        after = state.count;
        show(state);
        document.dispatchEvent(new CustomEvent("shown", { detail: state }));
        ended = state.dialogue?.phase === "ended";
      } catch (error) {
        showRefusal(
          error.message.startsWith("the token")
            ? `No access: ${error.message}`
            : `${$("dialogue").hidden ? "Capture" : "Calibration"} has ended, or cannot be reached`,
        );
        after = -1;
        await pause(RETRY_MS);
      }
    }
    return after;
  }

  async function watch() {
    const canvas = $("picture"),
      context = canvas.getContext("2d");
    for (let after = -1; !ended;) {
      await seenAgain();
      try {
        const answer = await ask("picture", after);
        if (answer.status === 200) {
          after = Number(answer.headers.get("X-Count"));
          const picture = await createImageBitmap(await answer.blob());
          if (canvas.width !== picture.width || canvas.height !== picture.height)
            [canvas.width, canvas.height] = [picture.width, picture.height];
          context.drawImage(picture, 0, 0);
          picture.close();
          $("empty").hidden = true;
          document.dispatchEvent(new CustomEvent("pictured"));
        } else if (answer.status !== 204) await pause(RETRY_MS);
      } catch {
        after = -1;
        await pause(RETRY_MS);
      }
    }
  }

  // The server closes once it is asked for what comes after its last state: by then no other request is under way.
  async function run() {
    const pictures = watch();
    const last = await follow();
    await pictures;
    await ask("state", last).catch(() => {});
  }

  showActor(null);
  run();
})();
