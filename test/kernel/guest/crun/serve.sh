# The first process of the container: executes lines, and starts nothing for itself.
exec 3<>/shared/todo
while read -r line <&3; do eval "$line" >/shared/answer; done
