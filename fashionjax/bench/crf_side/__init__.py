"""pydensecrf2's side of `crf`: for an interpreter that has it and nothing of ours."""
