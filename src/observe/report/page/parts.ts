/** Parts that all charts use: the phases' fills and names of axes. */
import { grouped, type RunCharts } from "../model.ts";

/** Fills, each with a pattern of its own, so that they differ without colour. They are in the page's style. */
const mostFills = 6;

export function phaseFill(run: RunCharts, phase: string): string {
  const index = run.phases.indexOf(phase);
  return index < 0 ? "none" : `var(--phase-${index % mostFills})`;
}

export function axisName({ clock }: RunCharts): string {
  return clock === "seconds" ? "seconds →" : "calls →";
}

export function atTime({ clock }: RunCharts, time: number): string {
  return clock === "seconds" ? `${short(time)} s` : `call ${short(time)}`;
}

export function short(value: number): string {
  return grouped(value >= 1000 ? Math.round(value) : Number(value.toPrecision(4)));
}

/** Cuts a text to about so many pixels. */
export function fitted(text: string, pixels: number): string {
  const most = Math.floor(pixels / 6.5);
  if (text.length <= most) return text;
  return most < 3 ? "" : `${text.slice(0, most - 1)}…`;
}
