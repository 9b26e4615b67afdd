"use strict";
// Shows the prompts of a calibration, what it waits for, and its result.
const Calibration = (() => {
  const WAITING = {
    picture: ["Waiting for the camera", "It gives no picture: check its cable, and other programs that use it."],
    face: ["Waiting for a face", "Sit before the camera, with light from the front. It begins by itself."],
  };
  const PAUSED = { picture: "Paused: the camera gives no picture", face: "Paused: no face is seen" };
  const $ = (id) => document.getElementById(id);
  const capital = (words) => words && words[0].toUpperCase() + words.slice(1);
  const quoted = (name) => (/^[\w.-]+$/.test(name) ? name : `'${name.replaceAll("'", `'\\''`)}'`);
  const command = (performer) => `rushes capture --performer ${quoted(performer)} --web`;
  let listed = "";

  // Names of units, those of both sides as one.
  function names(units) {
    const stems = units.map((unit) => unit.replace(/(Left|Right)$/, ""));
    return units
      .map((unit, index) => {
        const stem = stems[index];
        if (stem === unit || stems.filter((other) => other === stem).length < 2)
          return unit;
        if (stems.indexOf(stem) !== index) return "";
        return stem.length < 6 ? `${stem} to a side` : stem;
      })
      .filter(Boolean)
      .join(", ");
  }

  // Words of the large lines: the step, its prompt, a hint below, and the seconds left.
  function words(dialogue) {
    const { performer, phase, stored, error, missing = [], plan = [], number = 0, left_s = 0 } = dialogue;
    const title = `Calibration of ${performer}`;
    if (phase === "waiting") return [title, ...WAITING[missing.includes("face") ? "face" : "picture"], ""];
    if (phase === "result" && error)
      return [title, "Not calibrated", `${capital(error)}.${stored ? " The calibration before it stays." : ""}`, ""];
    if (phase === "result")
      return [title, `${performer} is calibrated`, `${52 - dialogue.unmoved.length} of 52 units moved.`, ""];
    if (phase === "ended" && stored)
      return [title, `Done: ${performer} is calibrated`, `You can close this page. Next: ${command(performer)}`, ""];
    if (phase === "ended") return [title, "Not calibrated", `${capital(error)}. Nothing was stored.`, ""];
    const { name, prompt } = plan[number],
      next = plan[number + 1];
    const step = number < 2 ? name : `${name} · ${number - 1} of ${plan.length - 2}`;
    if (missing.length) return [step, PAUSED[missing.at(-1)] || "Paused", `Then: ${prompt}`, Math.ceil(left_s)];
    return [step, capital(prompt), next ? `Next: ${next.name.toLowerCase()}` : "The last one", Math.ceil(left_s)];
  }

  function showPlan({ plan = [], number = 0, left_s = 0 }) {
    if ($("plan").children.length !== plan.length)
      $("plan").replaceChildren(
        ...plan.map(({ length_s }) => {
          const track = document.createElement("div"),
            fill = document.createElement("div");
          [track.className, fill.className, track.style.flexGrow] = ["track", "fill", length_s];
          track.append(fill);
          return track;
        }),
      );
    let all_s = 0,
      past_s = 0;
    plan.forEach(({ length_s }, index) => {
      const passed_s = index < number ? length_s : index > number ? 0 : length_s - left_s;
      all_s += length_s;
      past_s += passed_s;
      $("plan").children[index].firstChild.style.width = `${(100 * passed_s) / length_s}%`;
    });
    $("plan").setAttribute("aria-valuenow", all_s ? Math.round((100 * past_s) / all_s) : 0);
  }

  function showFindings({ repeat = [], unmoved = [], hardly_read = [] }) {
    if (listed === (listed = JSON.stringify([repeat, unmoved, hardly_read]))) return;
    $("repeat").replaceChildren(
      ...repeat.map(({ prompt, units }) => {
        const item = document.createElement("li"),
          which = document.createElement("span");
        [item.textContent, which.textContent] = [capital(prompt), names(units)];
        item.append(which);
        return item;
      }),
    );
    $("unread").textContent = hardly_read.length ? `The model hardly reads: ${names(hardly_read)}.` : "";
    for (const track of document.querySelectorAll("[data-unit]")) {
      track.classList.toggle("weak", unmoved.includes(track.dataset.unit));
      track.classList.toggle("unread", hardly_read.includes(track.dataset.unit));
    }
  }

  // dialogue: that of the state; null in a capture.
  function show(dialogue) {
    $("dialogue").hidden = !dialogue;
    document.body.classList.toggle("calibrating", !!dialogue);
    if (!dialogue) return;
    const { phase, missing = [], choices = [], error } = dialogue;
    document.title = "Rushes calibrate";
    const classes = document.body.classList;
    classes.toggle("prompting", phase === "waiting" || phase === "running");
    classes.toggle("paused", phase === "running" && missing.length > 0);
    classes.toggle("result", phase === "result");
    const lines = words(dialogue);
    ["step", "prompt", "hint", "countdown"].forEach((id, index) => {
      if ($(id).textContent !== String(lines[index])) $(id).textContent = lines[index];
    });
    $("plan").hidden = !dialogue.plan;
    showPlan(dialogue);
    showFindings(dialogue);
    $("range").textContent = dialogue.ranges ? "range: from rest to end" : "52 units, 0 to 100";
    $("answers").hidden = !choices.length;
    for (const button of $("answers").children) button.classList.toggle("first", (button.dataset.choice === "again") === !!error);
  }

  return { show };
})();
