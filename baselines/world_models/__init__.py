"""World models: learners that learn what their actions do, and train in what they imagine."""
