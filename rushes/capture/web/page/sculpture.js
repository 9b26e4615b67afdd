"use strict";
// The bust: its vertices at rest, what each of the 52 units does to them, and where they are in a frame.
//
// Axes: x to the actor's left, y up, z towards the viewer, the origin between the ears; chin to crown is about 2.3.
// A unit is a displacement of vertices (a blend shape); lids, eyeballs and the head itself turn. Neither mirrors: the
// actor's left is at the right of the canvas, as in the camera's picture and as receivers of VMC show a character.
const Sculpture = (() => {
  const SECTORS = 112,
    FACE_RINGS = 36,
    BACK_RINGS = 14,
    DEG = Math.PI / 180;
  const SKIN = [0.5, 0.43, 0.395],
    LIP = [0.46, 0.29, 0.275],
    INSIDE = [0.13, 0.035, 0.035],
    TEETH = [0.74, 0.71, 0.65];
  const TONGUE = [0.5, 0.19, 0.19],
    BROW = [0.085, 0.068, 0.06],
    LASH = [0.06, 0.045, 0.042],
    WHITE = [0.78, 0.77, 0.75];
  const IRIS = [0.1, 0.24, 0.3],
    LIMBUS = [0.03, 0.07, 0.09],
    PUPIL = [0.006, 0.006, 0.008];
  const EYE = [0.325, 0.05, 0.585],
    EYE_RADIUS = 0.178,
    LID_RADIUS = 0.188,
    EYE_CORNER = 58 * DEG;
  const JAW_PIVOT = [0, -0.12, -0.2],
    JAW_OPEN = 19 * DEG;
  const clamp = (x, low, high) => Math.min(high, Math.max(low, x));
  const mix = (a, b, t) => a + (b - a) * t;
  const ease = (x, from, to) => {
    const t = clamp((x - from) / (to - from), 0, 1);
    return t * t * (3 - 2 * t);
  };
  const bell = (x, y, cx, cy, sx, sy) => Math.exp(-0.5 * (((x - cx) / sx) ** 2 + ((y - cy) / sy) ** 2));

  // ---- The skull at rest ----

  function along(d, c, r) {
    // distance to an ellipsoid around c, along d from the origin
    let a = 0,
      b = 0,
      k = -1;
    for (let i = 0; i < 3; i++) {
      const q = 1 / (r[i] * r[i]);
      a += d[i] * d[i] * q;
      b += d[i] * c[i] * q;
      k += c[i] * c[i] * q;
    }
    return (b + Math.sqrt(Math.max(0, b * b - a * k))) / a;
  }

  // [x, y, width, height, depth]: hills and hollows of the face; those off the middle stand on both sides.
  const RELIEF = [
    [0, 0.3, 0.34, 0.1, 0.035],
    [0.3, 0.245, 0.17, 0.065, 0.045],
    [0.325, 0.055, 0.17, 0.1, -0.105],
    [0.14, 0.06, 0.06, 0.1, -0.045],
    [0, 0.13, 0.055, 0.16, 0.06],
    [0, -0.06, 0.072, 0.17, 0.15],
    [0, -0.235, 0.085, 0.075, 0.165],
    [0.098, -0.27, 0.052, 0.05, 0.1],
    [0, -0.37, 0.1, 0.03, -0.03],
    [0.43, -0.16, 0.15, 0.11, 0.05],
    [0.34, -0.45, 0.11, 0.15, -0.035],
    [0, -0.455, 0.035, 0.06, -0.016],
    [0, -0.595, 0.2, 0.1, 0.055],
    [0, -0.79, 0.16, 0.045, -0.03],
    [0, -0.93, 0.15, 0.11, 0.055],
    [0.62, 0.18, 0.12, 0.2, -0.03],
  ];

  function skull(d) {
    const cranium = along(d, [0, 0.3, -0.13], [0.775, 0.86, 0.93]),
      face = along(d, [0, -0.3, 0.14], [0.625, 0.8, 0.68]);
    const t = Math.log(Math.exp(14 * cranium) + Math.exp(14 * face)) / 14;
    const p = [d[0] * t, d[1] * t, d[2] * t],
      front = ease(p[2], 0.1, 0.5);
    const narrow = 1 - 0.13 * ease(-p[1], 0.35, 1.05) * ease(p[2], -0.2, 0.4); // the jaw runs to the chin
    p[0] *= narrow;
    for (const [cx, cy, sx, sy, depth] of RELIEF) {
      const w = bell(p[0], p[1], cx, cy, sx, sy) + (cx ? bell(p[0], p[1], -cx, cy, sx, sy) : 0);
      p[2] += depth * w * front;
    }
    return p;
  }

  const MOUTH_AXIS = (() => {
    const n = Math.hypot(0.605, 0.8);
    return [0, -0.605 / n, 0.8 / n];
  })();
  function around(px, py) {
    // a direction, by the angles from the mouth's axis to the left and up
    const phi = Math.hypot(px, py) || 1e-9,
      s = Math.sin(phi) / phi;
    const e = [px * s, py * s, Math.cos(phi)],
      [, my, mz] = MOUTH_AXIS;
    return [e[0], e[1] * mz + e[2] * my, -e[1] * my + e[2] * mz];
  }
  const MOUTH = skull(MOUTH_AXIS);

  // ---- Parts ----

  const rest = [],
    albedo = [],
    gloss = [],
    triangles = [],
    jaw = [],
    lower = [],
    face = [],
    rigid = [];
  function vertex(p, colour, shine, { jawWeight = 0, lowerLip = 0, isFace = 0, follows = 1 } = {}) {
    rest.push(...p);
    albedo.push(...colour);
    gloss.push(shine);
    jaw.push(jawWeight);
    lower.push(lowerLip);
    face.push(isFace);
    rigid.push(follows);
    return rest.length / 3 - 1;
  }
  function grid(rows, columns, closed, make, flip = false) {
    // make(row, column) adds a vertex; returns the first index
    const first = rest.length / 3,
      across = closed ? columns : columns - 1;
    for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) make(i, j);
    for (let i = 0; i + 1 < rows; i++)
      for (let j = 0; j < across; j++) {
        const a = first + i * columns + j,
          b = first + i * columns + ((j + 1) % columns),
          c = a + columns,
          d = b + columns;
        triangles.push(...(flip ? [a, c, b, b, c, d] : [a, b, c, b, d, c]));
      }
    return first;
  }
  const tint = (colour, k) => colour.map((x) => x * k);
  const blend = (a, b, t) => a.map((x, i) => mix(x, b[i], t));

  function shade(p) {
    // how much light reaches hollows
    const side = Math.abs(p[0]);
    let k = 1 - 0.3 * bell(side, p[1], 0.3, 0.06, 0.15, 0.1) - 0.6 * bell(side, p[1], 0.052, -0.335, 0.03, 0.017);
    k *= 1 - 0.22 * bell(side, p[1], 0, -0.8, 0.17, 0.035) - 0.2 * bell(side, p[1], 0.15, -0.3, 0.03, 0.06);
    return p[2] > 0.2 ? k * (1 - 0.35 * ease(-p[1], 1.0, 1.25)) : 1 - 0.35 * ease(-p[1], 0.75, 1.15);
  }

  // Skin: rings around the mouth, from the depth of the mouth over the lips to the back of the head.
  const LIPS = 6,
    CAVITY = 4;
  const SKIN_FIRST = grid(
    CAVITY + LIPS + FACE_RINGS + BACK_RINGS,
    SECTORS,
    true,
    (i, j) => {
      const t = (2 * Math.PI * j) / SECTORS,
        c = Math.cos(t),
        s = Math.sin(t),
        up = s > 0;
      const lowerLip = 0.5 - 0.5 * Math.sin((Math.PI / 2) * clamp(s * 1.5, -1, 1));
      const bow = up
        ? 0.088 - 0.02 * Math.exp(-((c / 0.16) ** 2)) + 0.012 * Math.exp(-(((Math.abs(c) - 0.34) / 0.2) ** 2))
        : 0.112;
      const outer = [0.262 * c, bow * s * (1 - 0.12 * c * c) + 0.022 * (1 - c * c)],
        inner = [0.236 * c, 0.0025 * Math.sign(s) * Math.abs(s) ** 0.5 + 0.016 * (1 - c * c)];
      const ring = i - CAVITY;
      if (ring < 0) {
        const depth = (CAVITY - i) / CAVITY,
          p = skull(around(...inner));
        const room = 0.17 * Math.sin((Math.min(1, depth * 1.5) * Math.PI) / 2) * (depth > 0.9 ? 0.3 : 1);
        return vertex(
          [p[0] * (1 + 0.4 * Math.sin(depth * 2.6)), p[1] + s * room, p[2] - 0.62 * depth ** 1.2],
          tint(INSIDE, 1 - 0.75 * depth),
          0.02,
          { jawWeight: lowerLip, lowerLip, isFace: depth < 0.3 ? 0.9 : 0.25 },
        );
      }
      if (ring < LIPS) {
        const u = ring / (LIPS - 1),
          p = skull(around(mix(inner[0], outer[0], u), mix(inner[1], outer[1], u)));
        const full = Math.sin(Math.PI * clamp(u * 0.86 + 0.2, 0, 1)) * (1 - 0.85 * c * c),
          closing = 1 - u;
        p[2] += (up ? 0.042 : 0.058) * full - 0.05 * closing ** 3;
        const colour = blend(LIP, SKIN, ease(u, 0.8, 1));
        return vertex(p, tint(colour, shade(p) * mix(0.45, 1, ease(u, 0, 0.3))), 0.22, {
          jawWeight: lowerLip,
          lowerLip,
          isFace: 1,
        });
      }
      const k = ring - LIPS + 1,
        phi0 = Math.hypot(...outer),
        to = k <= FACE_RINGS ? 1.42 * (k / FACE_RINGS) ** 1.06 : mix(1.42, Math.PI, (k - FACE_RINGS) / BACK_RINGS);
      const near = Math.exp(-to * 4.5),
        phi = Math.min(Math.PI, to + phi0 * (1 - to / Math.PI));
      const from = Math.atan2(outer[1], outer[0]),
        angle = from + (((t - from + 3 * Math.PI) % (2 * Math.PI)) - Math.PI) * (1 - near);
      const p = skull(around(phi * Math.cos(angle), phi * Math.sin(angle)));
      const byPlace = ease(-p[1], 0.1, 0.78) * ease(p[2], -0.35, 0.25),
        nearMouth = Math.exp(-((to / 0.2) ** 2));
      const lowerHere = mix(p[1] < MOUTH[1] ? 1 : 0, lowerLip, Math.exp(-((to / 0.5) ** 2)));
      return vertex(p, tint(SKIN, shade(p)), 0.12, {
        jawWeight: mix(byPlace, lowerLip, nearMouth),
        lowerLip: lowerHere,
        isFace: 1,
      });
    },
    true,
  );

  // Brows lie on the skin.
  for (const side of [1, -1])
    grid(
      5,
      22,
      false,
      (i, j) => {
        const u = j / 21,
          v = i / 4 - 0.5,
          thick = 0.075 * (1 - 0.72 * u ** 1.7) * ease(u, -0.12, 0.1);
        const x = mix(0.125, 0.52, u),
          y = 0.225 + 0.085 * Math.sin(Math.PI * Math.min(1, u * 0.8 + 0.12)) - 0.075 * u * u + v * thick;
        const p = onFront(x, y);
        p[2] += 0.012 + 0.016 * (1 - 4 * v * v);
        vertex([side * p[0], p[1], p[2]], BROW, 0.05, { isFace: 1 });
      },
      side < 0,
    );

  function onFront(x, y) {
    // the skin's point with these coordinates
    let d = [x, y, 0.75],
      p;
    for (let i = 0; i < 12; i++) {
      p = skull(d.map((q) => q / Math.hypot(...d)));
      d = [d[0] + (x - p[0]) * 0.8, d[1] + (y - p[1]) * 0.8, d[2]];
    }
    return p;
  }

  // Teeth stand in two arcs with their gums, the lower one in the jaw; the tongue lies behind them.
  for (const jawWeight of [0, 1])
    grid(
      5,
      25,
      false,
      (i, j) => {
        const a = mix(-1.25, 1.25, j / 24),
          v = i / 4,
          gap = 1 - 0.22 * Math.abs(Math.sin(a * 7.5)) ** 8;
        const edge = 0.012 * (1 - Math.cos(a)),
          height = jawWeight ? mix(-0.045 - edge, -0.21, v) : mix(-0.04 + edge, 0.19, v);
        vertex(
          [
            0.27 * Math.sin(a),
            MOUTH[1] + height,
            MOUTH[2] - 0.265 + 0.19 * Math.cos(a) - 0.02 * v - (jawWeight ? 0.025 : 0),
          ],
          tint(i < 3 ? TEETH : TONGUE, (i < 3 ? gap : 0.75) * mix(0.95, 0.75, v) * mix(0.3, 1, Math.cos(a) ** 1.5)),
          0.3,
          { jawWeight },
        );
      },
      jawWeight === 0,
    );
  const TONGUE_FIRST = grid(
    15,
    20,
    true,
    (i, j) => {
      const u = i / 14,
        a = (2 * Math.PI * j) / 20,
        r = Math.sin(Math.acos(clamp(1 - 2 * u * 0.98, -1, 1))) ** 0.7;
      const groove = Math.sin(a) > 0 ? 0.02 * Math.exp(-((Math.cos(a) / 0.35) ** 2)) : 0;
      vertex(
        [
          0.135 * r * Math.cos(a),
          MOUTH[1] - 0.105 + (0.05 * Math.sin(a) - groove) * r,
          MOUTH[2] - 0.5 + 0.36 * (1 - u),
        ],
        tint(TONGUE, mix(1, 0.45, u)),
        0.28,
        { jawWeight: 0.92 },
      );
    },
    true,
  );
  const TONGUE_END = rest.length / 3;

  // Ears: a rim around a hollow.
  for (const side of [1, -1])
    grid(
      11,
      26,
      true,
      (i, j) => {
        const r = i / 10,
          a = (2 * Math.PI * j) / 26,
          lobe = 1 - 0.24 * ease(-Math.sin(a), 0.1, 1);
        const wide = 0.165 * r * lobe * (0.9 + 0.1 * Math.sin(a)),
          high = 0.255 * r,
          rim = Math.exp(-(((r - 0.8) / 0.15) ** 2)),
          bowl = Math.exp(-((r / 0.42) ** 2));
        const fold = Math.exp(-(((r - 0.5) / 0.13) ** 2)) * ease(Math.cos(a + 0.3), -0.2, -0.7);
        const out =
          0.085 +
          0.052 * rim -
          0.075 * bowl +
          0.035 * fold -
          0.16 * ease(r, 0.88, 1) -
          0.05 * Math.cos(a) * r -
          0.05 * ease(Math.cos(a), 0.3, 1) * r;
        const z = -0.13 + wide * Math.cos(a) - 0.1 * high * Math.sin(a),
          y = -0.03 + high * Math.sin(a);
        vertex([side * (0.735 + out), y, z - 0.3 * out], tint(SKIN, (1 - 0.55 * bowl) * (0.8 + 0.2 * rim)), 0.12);
      },
      side < 0,
    );

  // The neck turns less and less downwards, and fades into the dark.
  grid(
    16,
    44,
    true,
    (i, j) => {
      const v = i / 15,
        a = (2 * Math.PI * j) / 44,
        y = mix(-0.52, -1.86, v),
        spread = 1 + 1.5 * ease(v, 0.55, 1.15) ** 1.5;
      const throat = 0.02 * Math.exp(-((Math.cos(a - Math.PI / 2) - 1) ** 2) / 0.02) * bell(v, 0, 0.4, 0, 0.1, 1);
      vertex(
        [
          0.44 * Math.cos(a) * spread,
          y,
          -0.24 - 0.1 * v * 0.6 + (0.43 + throat) * Math.sin(a) * (1 + 0.3 * ease(v, 0.55, 1.15)),
        ],
        tint(SKIN, mix(0.62, 0.05, ease(v, 0.15, 0.98)) + (1 - v) * 0.06),
        0.06,
        { follows: 1 - ease(v, 0, 0.62) },
      );
    },
    true,
  );

  // Eyeballs and lids: their vertices are computed in each frame.
  const EYE_ROWS = [0, 9, 9.2, 14, 24, 25.5, 28.5, 29, 40, 52, 64, 76],
    LID_ROWS = 9,
    LID_COLUMNS = 33;
  const eyeColours = [
    PUPIL,
    PUPIL,
    tint(IRIS, 0.55),
    tint(IRIS, 1.45),
    IRIS,
    LIMBUS,
    LIMBUS,
    WHITE,
    WHITE,
    WHITE,
    tint(WHITE, 0.9),
    WHITE,
  ];
  const balls = [1, -1].map((side) => ({
    side,
    first: grid(EYE_ROWS.length, 36, true, (i) => vertex([0, 0, 0], eyeColours[i], i < 8 ? 0.1 : 0.4), true),
  }));
  const lids = [1, -1].flatMap((side) =>
    [1, -1].map((up) => ({
      side,
      up,
      first: grid(
        LID_ROWS,
        LID_COLUMNS,
        false,
        (i) =>
          vertex(
            [0, 0, 0],
            i < 2
              ? up > 0
                ? LASH
                : blend(SKIN, LIP, 0.5).map((x) => x * 0.55)
              : tint(SKIN, i < 3 ? 0.9 : mix(0.98, 0.72, ease(i, 3, 8))),
            0.1,
          ),
        side * up < 0,
      ),
    })),
  );
  const glints = [1, -1].map((side) => {
    const first = rest.length / 3;
    for (let j = 0; j <= 10; j++) vertex([0, 0, 0], [3, 3, 3], 0);
    for (let j = 1; j <= 10; j++) triangles.push(first, first + j, first + (j % 10) + 1);
    return { side, first };
  });

  const COUNT = rest.length / 3,
    shines = Float32Array.from(gloss),
    follow = Float32Array.from(rigid),
    index = Uint16Array.from(triangles),
    base = Float32Array.from(rest),
    colours = Float32Array.from(albedo);

  // ---- The units ----

  const shapes = {}; // name -> [vertex, dx, dy, dz, ...]
  function shape(name, displace) {
    const moved = (shapes[name] ??= []);
    for (let v = 0; v < COUNT; v++) {
      const d = displace(base[3 * v], base[3 * v + 1], base[3 * v + 2], v);
      if (d && Math.abs(d[0]) + Math.abs(d[1]) + Math.abs(d[2]) > 1e-5) moved.push(v, ...d);
    }
  }
  // A pull on the face around a place; `lip` keeps it to the upper (-1) or lower (1) lip.
  function pull(name, [cx, cy, sx, sy], d, lip = 0) {
    shape(name, (x, y, z, v) => {
      if (!face[v] || z < 0.05) return null;
      const w =
        bell(x, y, cx, cy, sx, sy) * face[v] * ease(z, 0.05, 0.3) * (lip ? (lip > 0 ? lower[v] : 1 - lower[v]) : 1);
      return w > 0.002 ? [d[0] * w, d[1] * w, d[2] * w] : null;
    });
  }
  function pulls(name, place, d, lip = 0) {
    // on both sides
    pull(`${name}Left`, place, d, lip);
    pull(`${name}Right`, [-place[0], ...place.slice(1)], [-d[0], d[1], d[2]], lip);
  }
  function both(name, place, d, lip = 0) {
    // one unit that moves both sides alike
    pull(name, place, d, lip);
    pull(name, [-place[0], ...place.slice(1)], [-d[0], d[1], d[2]], lip);
  }
  function jawTurn(y, z) {
    const c = Math.cos(JAW_OPEN) - 1,
      s = Math.sin(JAW_OPEN),
      dy = y - JAW_PIVOT[1],
      dz = z - JAW_PIVOT[2];
    return [0, dy * c - dz * s, dz * c + dy * s];
  }
  const my = MOUTH[1],
    corner = [0.245, my, 0.11, 0.12],
    lips = [0, my, 0.2, 0.11],
    wide = [0, my, 0.26, 0.15];
  shape("jawOpen", (x, y, z, v) => jawTurn(y, z).map((d) => d * jaw[v]));
  both("jawOpen", [0.5, -0.5, 0.14, 0.2], [-0.03, 0, -0.02]);
  shape("jawForward", (x, y, z, v) => [0, -0.015 * jaw[v], 0.15 * jaw[v]]);
  shape("jawLeft", (x, y, z, v) => [0.14 * jaw[v] * ease(z, -0.1, 0.7), 0, 0]);
  shape("jawRight", (x, y, z, v) => [-0.14 * jaw[v] * ease(z, -0.1, 0.7), 0, 0]);
  shape("mouthClose", (x, y, z, v) => {
    const w = face[v] * bell(x, y, 0, my, 0.34, 0.15) * ease(z, 0.3, 0.6);
    return w > 0.002 ? jawTurn(y, z).map((d) => d * w * (0.12 * (1 - lower[v]) - 0.92 * jaw[v])) : null;
  });
  pull("mouthFunnel", wide, [0, 0.02, 0.14]);
  pull("mouthFunnel", [0, my, 0.13, 0.09], [0, 0.075, 0.02], -1);
  pull("mouthFunnel", [0, my, 0.13, 0.09], [0, -0.085, 0.02], 1);
  both("mouthFunnel", corner, [-0.1, 0, 0.04]);
  pull("mouthPucker", [0, my, 0.16, 0.14], [0, 0, 0.14]);
  both("mouthPucker", [0.22, my, 0.12, 0.12], [-0.125, 0, 0.05]);
  pull("mouthPucker", [0, my + 0.09, 0.11, 0.05], [0, 0.03, 0], -1);
  pull("mouthPucker", [0, my - 0.1, 0.11, 0.05], [0, -0.035, 0], 1);
  pull("mouthLeft", wide, [0.15, 0.01, -0.02]);
  pull("mouthRight", wide, [-0.15, 0.01, -0.02]);
  pull("mouthRollUpper", [0, my + 0.035, 0.21, 0.045], [0, -0.045, -0.085], -1);
  pull("mouthRollUpper", [0, my + 0.11, 0.2, 0.05], [0, -0.055, 0.02], -1);
  pull("mouthRollLower", [0, my - 0.045, 0.21, 0.05], [0, 0.055, -0.095], 1);
  pull("mouthRollLower", [0, my - 0.13, 0.2, 0.05], [0, 0.065, 0.02], 1);
  pull("mouthShrugUpper", [0, my + 0.06, 0.17, 0.08], [0, 0.06, 0.06], -1);
  pull("mouthShrugLower", [0, my - 0.05, 0.17, 0.09], [0, 0.055, 0.075], 1);
  pull("mouthShrugLower", [0, -0.93, 0.17, 0.12], [0, 0.085, 0.03]);
  pulls("mouthPress", [0.15, my + 0.06, 0.1, 0.06], [0.01, -0.045, -0.045], -1);
  pulls("mouthPress", [0.15, my - 0.07, 0.1, 0.07], [0.01, 0.06, -0.045], 1);
  pulls("mouthPress", [0.29, my, 0.05, 0.09], [0, 0, 0.03]);
  pulls("mouthSmile", corner, [0.085, 0.125, -0.05]);
  pulls("mouthSmile", [0.12, my, 0.08, 0.1], [0.02, 0.012, -0.02]);
  pulls("mouthSmile", [0.4, -0.22, 0.13, 0.12], [0.02, 0.055, 0.06]);
  pulls("mouthSmile", [0.33, my + 0.14, 0.045, 0.11], [0, 0, -0.03]);
  pulls("mouthFrown", corner, [0.02, -0.135, -0.015]);
  pulls("mouthFrown", [0.3, my - 0.16, 0.07, 0.08], [0, -0.02, 0.03]);
  pulls("mouthDimple", corner, [0.075, 0.025, -0.06]);
  pulls("mouthDimple", [0.33, my + 0.01, 0.035, 0.06], [0, 0, -0.08]);
  pulls("mouthDimple", [0.43, my + 0.02, 0.06, 0.11], [0, 0, 0.035]);
  pulls("mouthStretch", [0.23, my, 0.13, 0.13], [0.15, -0.035, -0.07]);
  pulls("mouthStretch", [0.3, -0.85, 0.13, 0.12], [0.03, -0.05, 0]);
  pulls("mouthUpperUp", [0.13, my + 0.04, 0.1, 0.09], [0.01, 0.105, 0.015], -1);
  pulls("mouthUpperUp", [0.21, -0.37, 0.08, 0.1], [0.01, 0.04, 0.035]);
  pulls("mouthLowerDown", [0.13, my - 0.05, 0.1, 0.1], [0.01, -0.115, -0.01], 1);
  both("cheekPuff", [0.42, my + 0.06, 0.16, 0.19], [0.17, 0, 0.13]);
  pull("cheekPuff", [0, my, 0.14, 0.07], [0, 0, 0.03]);
  pulls("cheekSquint", [0.37, -0.13, 0.17, 0.1], [0.01, 0.085, 0.075]);
  pulls("cheekSquint", [0.34, -0.02, 0.15, 0.03], [0, 0.02, -0.02]);
  pulls("noseSneer", [0.1, -0.25, 0.06, 0.09], [0.02, 0.085, 0.02]);
  pulls("noseSneer", [0.16, my + 0.09, 0.09, 0.08], [0, 0.035, 0.01], -1);
  pulls("noseSneer", [0.17, 0.17, 0.07, 0.07], [-0.015, -0.045, 0.02]);
  pulls("noseSneer", [0.07, -0.03, 0.03, 0.07], [0, 0, 0.03]);
  pulls("browDown", [0.26, 0.25, 0.17, 0.1], [-0.035, -0.115, 0.03]);
  pulls("browDown", [0.07, 0.24, 0.03, 0.08], [0, 0, -0.03]);
  both("browInnerUp", [0.15, 0.29, 0.1, 0.12], [-0.01, 0.145, 0.01]);
  pull("browInnerUp", [0, 0.5, 0.25, 0.03], [0, 0, 0.025]);
  pull("browInnerUp", [0, 0.42, 0.25, 0.03], [0, 0, -0.025]);
  pulls("browOuterUp", [0.43, 0.28, 0.14, 0.12], [0.015, 0.15, 0.0]);
  pulls("browOuterUp", [0.38, 0.5, 0.15, 0.03], [0, 0, 0.025]);
  pulls("eyeSquint", [0.38, -0.07, 0.16, 0.06], [0, 0.055, 0.035]);
  pulls("eyeWide", [0.34, 0.22, 0.16, 0.06], [0, 0.03, 0]);
  shape("tongueOut", (x, y, z, v) => {
    if (v < TONGUE_FIRST || v >= TONGUE_END) return null;
    const tip = ease(z, MOUTH[2] - 0.52, MOUTH[2] - 0.12);
    return [x * 0.15 * tip, 0.085 - 0.27 * tip * tip, 0.3 + 0.2 * tip];
  });
  pull("tongueOut", [0, my, 0.17, 0.09], [0, 0.03, 0.02], -1);
  pull("tongueOut", [0, my, 0.17, 0.1], [0, -0.075, 0.02], 1);
  for (const name in shapes) shapes[name] = Float32Array.from(shapes[name]);

  // ---- A frame ----

  const place = new Float32Array(3 * COUNT);
  function pose(units, gaze_deg) {
    const of = (name) => clamp(units[name] || 0, 0, 1);
    place.set(base);
    for (const name in shapes) {
      let k = of(name);
      if (name === "mouthClose") k *= 0.2 + 0.8 * of("jawOpen"); // it closes lips over an open jaw
      if (!k) continue;
      const s = shapes[name];
      for (let i = 0; i < s.length; i += 4) {
        const v = 3 * s[i];
        place[v] += k * s[i + 1];
        place[v + 1] += k * s[i + 2];
        place[v + 2] += k * s[i + 3];
      }
    }
    for (const eye of balls) turnEye(eye, of, gaze_deg);
    for (const lid of lids) bendLid(lid, of);
  }

  const word = (side) => (side > 0 ? "Left" : "Right");
  function turnEye({ side, first }, of, gaze_deg) {
    const name = word(side),
      measured = gaze_deg && gaze_deg[name.toLowerCase()];
    const yaw = DEG * (measured ? measured[0] : 32 * side * (of(`eyeLookOut${name}`) - of(`eyeLookIn${name}`)));
    const pitch = DEG * (measured ? measured[1] : 26 * (of(`eyeLookUp${name}`) - of(`eyeLookDown${name}`)));
    const cy = Math.cos(yaw),
      sy = Math.sin(yaw),
      cp = Math.cos(pitch),
      sp = Math.sin(pitch);
    EYE_ROWS.forEach((row, i) => {
      const s = Math.sin(row * DEG),
        c = Math.cos(row * DEG) * (row < 25 ? 1 + 0.03 * (1 - row / 25) : 1);
      for (let j = 0; j < 36; j++) {
        const a = (2 * Math.PI * j) / 36,
          x = s * Math.cos(a),
          y = s * Math.sin(a),
          z = c * cp - y * sp,
          v = 3 * (first + 36 * i + j);
        place[v] = side * EYE[0] + EYE_RADIUS * (x * cy + z * sy);
        place[v + 1] = EYE[1] + EYE_RADIUS * (y * cp + c * sp);
        place[v + 2] = EYE[2] + EYE_RADIUS * (z * cy - x * sy);
      }
    });
  }

  function bendLid({ side, up, first }, of) {
    const name = word(side),
      blink = of(`eyeBlink${name}`),
      look = of(`eyeLookUp${name}`) - of(`eyeLookDown${name}`);
    const squint = of(`eyeSquint${name}`),
      wideOpen = of(`eyeWide${name}`),
      cheek = of(`cheekSquint${name}`);
    const aside = 0.2 * (of(`eyeLookOut${name}`) - of(`eyeLookIn${name}`)),
      brow = of(`browDown${name}`);
    const upper = mix(24 + 11 * wideOpen + 9 * look - 6 * squint - 3 * brow, -11, blink);
    const under = Math.max(mix(-17 - 5 * wideOpen + 6 * look + 11 * squint + 5 * cheek, -12, blink), -30);
    const open = up > 0 ? Math.max(upper, under + 0.5) : Math.min(under, upper);
    for (let j = 0; j < LID_COLUMNS; j++) {
      const u = mix(-1.45, 1.45, j / (LID_COLUMNS - 1)),
        a = u * EYE_CORNER,
        bent = clamp(u - aside * Math.max(0, 1 - u * u), -1, 1);
      const arch = Math.max(0, 1 - Math.abs(bent) ** 2.3) ** 0.75,
        slant = 3.5 * clamp(u, -1, 1); // the outer corner is a little higher
      for (let i = 0; i < LID_ROWS; i++) {
        const edge = open * arch + slant,
          rows = i < 2 ? 0 : (i - 1) / (LID_ROWS - 2);
        const b = DEG * mix(edge, up * 72, rows),
          r =
            i === 0
              ? EYE_RADIUS * 0.985
              : LID_RADIUS + 0.012 * Math.sin(Math.PI * Math.min(1, rows * 2.2)) * (up > 0 ? 1 : 0.6);
        const v = 3 * (first + LID_COLUMNS * i + j);
        place[v] = side * (EYE[0] + r * Math.sin(a) * Math.cos(b));
        place[v + 1] = EYE[1] + r * Math.sin(b);
        place[v + 2] = EYE[2] + r * Math.cos(a) * Math.cos(b);
      }
    }
  }

  return { pose, place, index, colours, shines, follow, balls, glints, EYE_RADIUS, EYE_ROWS };
})();
