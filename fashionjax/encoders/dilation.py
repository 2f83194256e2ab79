"""Keeping maps large by dilation instead of strides."""

OUTPUT_STRIDES = (8, 16, 32)


def check_output_stride(output_stride: int) -> None:
    """Refuses output strides that no encoder has.

    Raises:
        ValueError: If it is not 8, 16 or 32.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise ValueError(
            f"output_stride is {output_stride}; allowed are"
            f" {', '.join(map(str, OUTPUT_STRIDES))}"
        )
