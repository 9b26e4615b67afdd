"use strict";
// Draws the bust into a canvas with a small rasteriser of its own, so that no library and no WebGL is needed.
const Head = (() => {
  const { pose, place, index, colours, shines, follow, balls, glints, EYE_RADIUS, EYE_ROWS } = Sculpture;
  const DEG = Math.PI / 180,
    COUNT = place.length / 3,
    PIVOT = [0, -0.55, -0.25]; // the head turns on the neck
  const mix = (a, b, t) => a + (b - a) * t;

  // Direction and colour of: key, fill, and two from behind.
  const LIGHTS = Float32Array.from(
    [
      [-0.5, 0.52, 0.69, 1.28, 1.2, 1.1],
      [0.8, 0.1, 0.58, 0.2, 0.26, 0.33],
      [0.75, 0.35, -0.56, 0.55, 0.7, 0.85],
      [-0.85, 0.1, -0.52, 0.3, 0.3, 0.32],
    ].flat(),
  );
  const HALF = (() => {
    const h = [-0.5, 0.52, 1.69],
      n = Math.hypot(...h);
    return h.map((x) => x / n);
  })();
  const normals = new Float32Array(3 * COUNT),
    lit = new Float32Array(3 * COUNT),
    screen = new Float32Array(3 * COUNT);

  class Bust {
    constructor(canvas) {
      this.canvas = canvas;
      this.context = canvas.getContext("2d", { willReadFrequently: true });
      this.image = this.context.createImageData(canvas.width, canvas.height);
      this.context.globalCompositeOperation = "destination-out"; // fillRect fades the bust out at the bottom
      this.fade = this.context.createLinearGradient(0, 0.84 * canvas.height, 0, canvas.height);
      this.fade.addColorStop(0, "transparent");
      this.fade.addColorStop(1, "black");
      this.pixels = new Uint32Array(this.image.data.buffer);
      this.depth = new Float32Array(this.pixels.length);
    }

    // units: {name: 0..1}; head: {yaw_deg, pitch_deg, roll_deg}; gaze_deg: {left: [yaw, pitch], right: ...}, without
    // which the eyes turn by the units eyeLook...; faded: true for an actor who is not seen.
    draw(units, head, gaze_deg, faded) {
      pose(units, gaze_deg);
      light(head || {}, faded ? 0.45 : 1);
      this.rasterise();
      this.context.putImageData(this.image, 0, 0);
      this.context.fillStyle = this.fade;
      this.context.fillRect(0, 0, this.canvas.width, this.canvas.height);
    }

    rasterise() {
      const { width, height } = this.canvas,
        { pixels, depth } = this,
        scale = height * 1.72;
      pixels.fill(0);
      depth.fill(0);
      for (let v = 0; v < COUNT; v++) {
        const w = 1 / (5.2 - place[3 * v + 2]);
        screen[3 * v] = width / 2 + place[3 * v] * w * scale;
        screen[3 * v + 1] = height * 0.49 - place[3 * v + 1] * w * scale;
        screen[3 * v + 2] = w;
      }
      for (let i = 0; i < index.length; i += 3)
        this.triangle(3 * index[i], 3 * index[i + 1], 3 * index[i + 2], width, height);
    }

    triangle(a, b, c, width, height) {
      const { pixels, depth } = this;
      const ax = screen[a],
        ay = screen[a + 1],
        bx = screen[b],
        by = screen[b + 1],
        cx = screen[c],
        cy = screen[c + 1];
      const area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax);
      if (!(area < 0)) return; // it shows its back
      const left = Math.max(0, Math.ceil(Math.min(ax, bx, cx))),
        right = Math.min(width - 1, Math.floor(Math.max(ax, bx, cx)));
      const top = Math.max(0, Math.ceil(Math.min(ay, by, cy))),
        bottom = Math.min(height - 1, Math.floor(Math.max(ay, by, cy)));
      const q = 1 / area,
        dub = (cy - ay) * q,
        duc = -(by - ay) * q; // weights of b and c a pixel to the right
      const az = screen[a + 2],
        bz = screen[b + 2] - az,
        cz = screen[c + 2] - az;
      const r = lit[a],
        g = lit[a + 1],
        l = lit[a + 2],
        br = lit[b] - r,
        bg = lit[b + 1] - g,
        bl = lit[b + 2] - l;
      const cr = lit[c] - r,
        cg = lit[c + 1] - g,
        cl = lit[c + 2] - l;
      for (let y = top; y <= bottom; y++) {
        let ub = ((left - ax) * (cy - ay) - (y - ay) * (cx - ax)) * q,
          uc = ((bx - ax) * (y - ay) - (by - ay) * (left - ax)) * q;
        for (let x = left, at = y * width + left; x <= right; x++, at++, ub += dub, uc += duc) {
          if (ub < -1e-5 || uc < -1e-5 || ub + uc > 1.00001) continue;
          const z = az + ub * bz + uc * cz;
          if (z <= depth[at]) continue;
          depth[at] = z;
          pixels[at] =
            0xff000000 | ((l + ub * bl + uc * cl) << 16) | ((g + ub * bg + uc * cg) << 8) | (r + ub * br + uc * cr);
        }
      }
    }
  }

  function light(head, strength) {
    const [yaw, pitch, roll] = ["yaw_deg", "pitch_deg", "roll_deg"].map((key) => DEG * (head[key] || 0));
    const [sy, cy, sp, cp, sr, cr] = [yaw, pitch, roll].flatMap((x) => [Math.sin(x), Math.cos(x)]);
    // Rows of the rotation: roll first, then pitch, then yaw, each about the head's own axes.
    const m = [
      cy * cr - sy * sp * sr,
      -cy * sr - sy * sp * cr,
      sy * cp,
      cp * sr,
      cp * cr,
      sp,
      -sy * cr - cy * sp * sr,
      sy * sr - cy * sp * cr,
      cy * cp,
    ];
    for (let v = 0; v < COUNT; v++) {
      const x = place[3 * v] - PIVOT[0],
        y = place[3 * v + 1] - PIVOT[1],
        z = place[3 * v + 2] - PIVOT[2],
        k = follow[v];
      place[3 * v] = PIVOT[0] + mix(x, m[0] * x + m[1] * y + m[2] * z, k);
      place[3 * v + 1] = PIVOT[1] + mix(y, m[3] * x + m[4] * y + m[5] * z, k);
      place[3 * v + 2] = PIVOT[2] + mix(z, m[6] * x + m[7] * y + m[8] * z, k);
    }
    glints.forEach(({ first }, n) => glint(first, balls[n].first));
    normals.fill(0);
    for (let i = 0; i < index.length; i += 3) addNormal(3 * index[i], 3 * index[i + 1], 3 * index[i + 2]);
    for (let v = 0; v < COUNT; v++) shadeVertex(v, strength);
  }

  function glint(first, ball) {
    // the reflection of the window in an eye
    let cx = 0,
      cy = 0,
      cz = 0;
    const last = 36 * (EYE_ROWS.length - 1),
      tip = 3 * ball;
    for (let j = 0; j < 36; j++) {
      const v = 3 * (ball + last + j);
      cx += place[v] / 36;
      cy += place[v + 1] / 36;
      cz += place[v + 2] / 36;
    }
    const axis = [place[tip] - cx, place[tip + 1] - cy, place[tip + 2] - cz],
      n = Math.hypot(...axis);
    const d = [(axis[0] / n) * 0.62 - 0.2, (axis[1] / n) * 0.62 + 0.22, (axis[2] / n) * 0.62 + 0.35],
      k = Math.hypot(...d),
      r = EYE_RADIUS * 1.012,
      back = EYE_RADIUS * Math.cos(EYE_ROWS.at(-1) * DEG);
    const middle = [cx, cy, cz].map((x, i) => x - (back * axis[i]) / n + (r * d[i]) / k);
    for (let j = 0; j <= 10; j++) {
      const a = (2 * Math.PI * j) / 10,
        v = 3 * (first + j),
        size = j ? 0.019 : 0;
      place[v] = middle[0] + size * Math.cos(a);
      place[v + 1] = middle[1] + size * Math.sin(a);
      place[v + 2] = middle[2];
    }
  }

  function addNormal(a, b, c) {
    const ux = place[b] - place[a],
      uy = place[b + 1] - place[a + 1],
      uz = place[b + 2] - place[a + 2];
    const vx = place[c] - place[a],
      vy = place[c + 1] - place[a + 1],
      vz = place[c + 2] - place[a + 2];
    const x = uy * vz - uz * vy,
      y = uz * vx - ux * vz,
      z = ux * vy - uy * vx;
    normals[a] += x;
    normals[a + 1] += y;
    normals[a + 2] += z;
    normals[b] += x;
    normals[b + 1] += y;
    normals[b + 2] += z;
    normals[c] += x;
    normals[c + 1] += y;
    normals[c + 2] += z;
  }

  function shadeVertex(v, strength) {
    let nx = normals[3 * v],
      ny = normals[3 * v + 1],
      nz = normals[3 * v + 2];
    const n = 1 / (Math.sqrt(nx * nx + ny * ny + nz * nz) || 1);
    nx *= n;
    ny *= n;
    nz *= n;
    const sky = 0.5 + 0.5 * ny;
    let r = 0.1 + 0.12 * sky,
      g = 0.105 + 0.13 * sky,
      b = 0.115 + 0.15 * sky;
    for (let i = 0; i < LIGHTS.length; i += 6) {
      const k = Math.max(0, (nx * LIGHTS[i] + ny * LIGHTS[i + 1] + nz * LIGHTS[i + 2] + 0.15) / 1.15);
      r += LIGHTS[i + 3] * k;
      g += LIGHTS[i + 4] * k;
      b += LIGHTS[i + 5] * k;
    }
    const facing = nx * HALF[0] + ny * HALF[1] + nz * HALF[2],
      shine = facing > 0.7 ? shines[v] * facing ** 28 : 0;
    lit[3 * v] = 254.9 * Math.sqrt(Math.min(1, (r * colours[3 * v] + shine) * strength));
    lit[3 * v + 1] = 254.9 * Math.sqrt(Math.min(1, (g * colours[3 * v + 1] + shine) * strength));
    lit[3 * v + 2] = 254.9 * Math.sqrt(Math.min(1, (b * colours[3 * v + 2] + shine) * strength));
  }

  return { Bust };
})();
