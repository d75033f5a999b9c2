"""How the page looks, in the colours of the visitor's own light or dark setting."""

from pathlib import Path

import gradio as gr

# Gradio's own variables change with the theme, so one set of rules reads well in both.
CSS = Path(__file__).with_name("page.css").read_text(encoding="utf-8")


def theme() -> gr.themes.Base:
    """Quiet colours and the visitor's own fonts: nothing is fetched from elsewhere."""
    soft = gr.themes.Soft(
        primary_hue="teal",
        secondary_hue="teal",
        neutral_hue="slate",
        radius_size="lg",
        font=["ui-sans-serif", "system-ui", "-apple-system", "Segoe UI", "sans-serif"],
        font_mono=["ui-monospace", "monospace"],
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
        button_primary_background_fill_hover_dark="*primary_800",
        checkbox_label_background_fill_selected="*primary_700",
        checkbox_label_background_fill_selected_dark="*primary_700",
        checkbox_label_text_color_selected="white",
        input_placeholder_color="*neutral_500",
        input_placeholder_color_dark="*neutral_400",
        input_border_width="1px",
        input_border_color="*neutral_200",
        input_border_color_dark="*neutral_600",
    )
