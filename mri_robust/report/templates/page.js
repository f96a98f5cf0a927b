"use strict";
(() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const one = (selector, within = document) => within.querySelector(selector);
  const made = (tag, text = "", name = "") => Object.assign(document.createElement(tag), { textContent: text, className: name });
  const root = document.documentElement;

  // Light and dark: the system's choice until the reader makes one.
  const theme = one(".theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const dark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const tell = () => theme.setAttribute("aria-pressed", String(dark()));
  theme.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; tell(); });
  system.addEventListener("change", tell);
  tell();

  // Contents: folded away on small screens, marked while reading.
  const nav = one("nav");
  const menu = one(".menu");
  const fold = (open) => { nav.classList.toggle("open", open); menu.setAttribute("aria-expanded", String(open)); };
  menu.addEventListener("click", () => fold(!nav.classList.contains("open")));
  nav.addEventListener("click", () => fold(false));
  const links = new Map(all("a", nav).map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const entry of entries.filter((each) => each.isIntersecting)) {
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(entry.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const section of all("section[id]")) seen.observe(section);

  // Tables: a click on a heading sorts by it, numbers as numbers, empty fields last either way.
  const order = (one, other) => {
    const [first, second] = [Number(one), Number(other)];
    if (!Number.isNaN(first) && !Number.isNaN(second)) return first - second;
    return one.localeCompare(other, "en", { numeric: true });
  };
  const sort = (head) => {
    const place = head.cellIndex;
    const direction = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
    for (const other of head.parentElement.cells) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", direction);
    const body = one("tbody", head.closest("table"));
    const key = (row) => row.cells[place].dataset.sort ?? row.cells[place].textContent.trim();
    const empty = (row) => ["", "–"].includes(key(row));
    const turn = direction === "ascending" ? 1 : -1;
    body.append(...[...body.rows].sort((a, b) => empty(a) - empty(b) || turn * order(key(a), key(b))));
  };
  for (const button of all("thead button")) button.addEventListener("click", () => sort(button.parentElement));

  // Figures in full size; paper shows what the screen folds away.
  const zoom = one(".zoom");
  for (const button of all(".picture button")) {
    button.addEventListener("click", () => {
      one(".pan", zoom).replaceChildren(button.firstElementChild.cloneNode(true));
      zoom.showModal();
    });
  }
  zoom.addEventListener("click", (event) => { if (event.target === zoom) zoom.close(); });
  let folded = [];
  addEventListener("beforeprint", () => { folded = all("details:not([open])"); for (const each of folded) each.open = true; });
  addEventListener("afterprint", () => { for (const each of folded) each.open = false; });

  // The gallery.
  const store = one("#galleries");
  if (!store) return;
  const galleries = JSON.parse(store.textContent);
  const box = one(".gallery");
  const slider = one("input", box);
  const address = (png) => `data:image/png;base64,${png}`;
  const chosen = { gallery: 0, image: 0 };
  const image = () => galleries[chosen.gallery].images[chosen.image];
  const press = (buttons, index) => buttons.forEach((each, place) => each.setAttribute("aria-pressed", String(place === index)));

  const decoded = new Map();
  const pixels = (png) => decoded.get(png) ?? decoded.set(png, decode(png)).get(png);
  const decode = async (png) => {
    const picture = new Image();
    picture.src = address(png);
    await picture.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: picture.naturalWidth, height: picture.naturalHeight });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height);
  };

  // Black is no change; orange is brighter, blue is darker, and the greatest change has the full colour.
  const drawChange = (canvas, clean, changed) => {
    const change = new Float32Array(clean.width * clean.height);
    for (let i = 0; i < change.length; i++) {
      for (let channel = 0; channel < 3; channel++) change[i] += (changed.data[4 * i + channel] - clean.data[4 * i + channel]) / 3;
    }
    const reach = change.reduce((most, each) => Math.max(most, Math.abs(each)), 0);
    const drawn = new ImageData(clean.width, clean.height);
    change.forEach((each, i) => {
      const share = reach ? Math.abs(each) / reach : 0;
      const colour = each > 0 ? [255, 158, 64] : [70, 165, 255];
      drawn.data.set([...colour.map((part, channel) => [16, 18, 20][channel] * (1 - share) + part * share), 255], 4 * i);
    });
    Object.assign(canvas, { width: clean.width, height: clean.height });
    canvas.getContext("2d").putImageData(drawn, 0, 0);
    return reach;
  };

  const drawBars = (picture, label) => {
    const bars = picture.probabilities.map(([name, share]) => {
      const bar = made("div", "", `${name === label ? "true" : name === picture.predicted ? "wrong" : ""} ${name === picture.predicted ? "called-so" : ""}`);
      bar.append(made("span", name === label ? `${name} (true class)` : name), made("b", `${(100 * share).toFixed(1)} %`), made("i"));
      bar.lastChild.style.setProperty("--share", `${100 * share}%`);
      return bar;
    });
    one(".bars", box).replaceChildren(...bars);
  };

  let latest = 0;
  const show = async () => {
    const turn = ++latest;
    const { label, name, pictures } = image();
    const place = Math.min(Number(slider.value), pictures.length - 1);
    const picture = pictures[place];
    const share = new Map(picture.probabilities).get(picture.predicted);
    const words = place ? `ε = ${picture.epsilon}` : "Without a change";
    slider.setAttribute("aria-valuetext", words);
    all(".ticks span", box).forEach((tick, index) => tick.classList.toggle("on", index === place));
    one(".clean", box).src = address(pictures[0].image);
    one(".adversarial", box).src = address(picture.image);
    one(".attacked", box).textContent = place ? `Adversarial image, ${words}` : "The same image, no attack yet";
    one(".called", box).textContent = `${words}, ${galleries[chosen.gallery].model} ${picture.predicted === label ? "is right" : "is wrong"}: ${picture.predicted}, ${(100 * share).toFixed(1)} %`;
    one(".file", box).textContent = name;
    drawBars(picture, label);
    const [clean, changed] = await Promise.all([pixels(pictures[0].image), pixels(picture.image)]);
    if (turn !== latest) return;
    const reach = drawChange(one(".change", box), clean, changed);
    one(".amplified", box).textContent = reach
      ? `Change, amplified × ${Math.round(255 / reach)}: orange brighter, blue darker, at most ${picture.change}/255`
      : "No change";
  };

  // Paper shows the usual change, decoded before, for a printer does not wait.
  const usual = () => galleries[chosen.gallery].usual;

  const choose = (gallery, index) => {
    Object.assign(chosen, { gallery, image: index });
    const { images, unit } = galleries[gallery];
    one(".slider small", box).textContent = unit;
    press(all(".choices button", box), gallery);
    one(".thumbs", box).replaceChildren(...images.map((each, place) => {
      const button = made("button");
      button.type = "button";
      button.append(Object.assign(made("img"), { src: address(each.pictures[0].image), alt: "" }), made("span", each.label));
      button.addEventListener("click", () => choose(gallery, place));
      return button;
    }));
    press(all(".thumbs button", box), index);
    slider.max = image().pictures.length - 1;
    one(".ticks", box).replaceChildren(...image().pictures.map((each) => made("span", each.tick)));
    pixels(image().pictures[usual()].image);
    show();
  };

  one(".choices", box).append(...galleries.map(({ heading }, place) => {
    const button = made("button", heading, "quiet");
    button.type = "button";
    button.addEventListener("click", () => choose(place, 0));
    return button;
  }));
  slider.addEventListener("input", show);

  let onScreen;
  addEventListener("beforeprint", () => { onScreen = slider.value; slider.value = usual(); show(); });
  addEventListener("afterprint", () => { slider.value = onScreen; show(); });
  slider.value = 0;
  box.hidden = false;
  choose(0, 0);
})();
