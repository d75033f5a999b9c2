"""How the page looks, in the colours of the visitor's own light or dark setting."""

import gradio as gr

# Gradio's own variables change with the theme, so one set of rules reads well in both.
CSS = """
.gradio-container { max-width: 1120px !important; margin: 0 auto !important; width: 100%; }
.gradio-container main { width: 100%; }
.gradio-container .html-container { padding: 0; }
.gradio-container footer .divider { display: none; }
#teacher, #student { min-height: 190px; border-radius: 12px; }
#text, .gradio-container .form { border-radius: 12px; }
#teacher_timing, #student_timing { padding: 0 4px; }
.proof { display: flex; flex-direction: column; gap: 14px; color: var(--body-text-color); }
.proof p, .proof h1 { margin: 0; }
.proof h1 {
  font-size: 1.7rem;
  line-height: 1.25;
  font-weight: 700;
  letter-spacing: -0.015em;
  margin: 2px 0 6px;
}
.proof small { color: var(--body-text-color-subdued); font-size: 0.8em; font-weight: 400; }
.proof .over {
  font-size: 0.74rem;
  font-weight: 600;
  text-transform: uppercase;
  letter-spacing: 0.07em;
  color: var(--body-text-color-subdued);
}
.proof .note { font-size: 0.82rem; color: var(--body-text-color-subdued); }
.proof .hero {
  display: flex;
  justify-content: space-between;
  align-items: flex-start;
  gap: 24px;
  padding-top: 10px;
}
.verdict {
  display: inline-block;
  padding: 5px 14px;
  border-radius: 999px;
  font-weight: 650;
  font-size: 0.95rem;
  white-space: nowrap;
  color: #fff;
  background: #57606a;
}
.verdict.pass { background: #0b7a4b; }
.verdict.fail { background: #b3261e; }
.verdict.inconclusive { background: #8a5a00; }
.proof .cards {
  display: grid;
  grid-template-columns: repeat(auto-fit, minmax(200px, 1fr));
  gap: 12px;
}
.proof .card {
  padding: 14px 18px;
  border-radius: 12px;
  border: 1px solid var(--border-color-primary);
  background: var(--block-background-fill);
}
.proof .value {
  font-size: 2.05rem;
  line-height: 1.25;
  font-weight: 700;
  letter-spacing: -0.02em;
  font-variant-numeric: tabular-nums;
}
.proof table {
  width: 100%;
  border-collapse: collapse;
  font-variant-numeric: tabular-nums;
  font-size: 0.95rem;
  background: var(--block-background-fill);
  border-radius: 12px;
  overflow: hidden;
  margin: 0;
  box-shadow: 0 0 0 1px var(--border-color-primary);
}
.proof th, .proof td {
  text-align: left;
  padding: 9px 18px;
  border: 0;
  border-top: 1px solid var(--border-color-primary);
}
.proof thead th { border-top: 0; font-weight: 650; }
.proof tbody th { font-weight: 500; }
.proof td:last-child { font-weight: 650; }
.proof summary { cursor: pointer; font-size: 0.9rem; color: var(--body-text-color-subdued); }
.proof details ul {
  list-style: none;
  padding: 10px 0 0;
  margin: 0;
  display: grid;
  gap: 8px;
  font-size: 0.9rem;
}
.proof details .verdict { font-size: 0.72rem; padding: 2px 9px; margin-right: 6px; }
.outcome {
  border-radius: 12px;
  padding: 12px 18px;
  border: 1px solid var(--border-color-primary);
  border-left: 5px solid var(--body-text-color-subdued);
  background: var(--block-background-fill);
  color: var(--body-text-color);
  font-size: 1rem;
  line-height: 1.5;
}
.outcome.agree { border-left-color: #0f9d63; }
.outcome.disagree { border-left-color: #d9822b; }
.timing { min-height: 1.5em; font-size: 0.9rem; color: var(--body-text-color-subdued); }
.timing b { color: var(--body-text-color); font-variant-numeric: tabular-nums; font-size: 1.15rem; }
.timing .warning {
  display: block;
  color: var(--body-text-color);
  border-left: 3px solid #d9822b;
  padding-left: 8px;
  margin-top: 4px;
}
@media (max-width: 640px) {
  .proof .hero { flex-direction: column-reverse; gap: 8px; }
  .proof .cards { grid-template-columns: 1fr 1fr; }
  .proof .value { font-size: 1.5rem; }
  .proof table { font-size: 0.8rem; }
  .proof th, .proof td { padding: 7px 8px; }
  .proof table small { display: block; }
}
"""


def theme() -> gr.themes.Base:
    """Quiet colours and the visitor's own fonts: nothing is fetched from elsewhere."""
    soft = gr.themes.Soft(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        radius_size="lg",
        font=["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "sans-serif"],
        font_mono=["ui-sans-serif", "system-ui", "sans-serif"],  # of the label bars
    )
    # The theme's own greys and teals are too pale to read: below 4.5 to 1 against the background.
    return soft.set(
        body_background_fill="*neutral_50",
        block_border_width="1px",
        block_border_color="*border_color_primary",
        block_shadow="none",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_label_text_color="*primary_800",
        block_label_text_color_dark="white",
        block_label_background_fill_dark="*primary_700",
        block_title_text_color="*primary_800",
        block_title_text_color_dark="white",
        block_title_background_fill_dark="*primary_700",
        button_primary_background_fill="*primary_700",
        button_primary_background_fill_hover="*primary_800",
        button_primary_background_fill_dark="*primary_700",
        button_primary_background_fill_hover_dark="*primary_600",
        input_border_width="1px",
        input_border_color="*neutral_200",
        input_border_color_dark="*neutral_600",
    )
